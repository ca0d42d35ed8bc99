/** The audit trail in the log and in `onAudit`: each fact once over all nodes, without secrets. */
import { expect, it, vi } from "vitest";
import type { AuditEvent } from "../../src/session/audit.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { fakeClock, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, password, register, renew } from "../helpers/http.ts";
import { startNodes } from "../helpers/nodes.ts";
import { startRedis } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";

const pinoFields = new Set([
  "level",
  "time",
  "pid",
  "hostname",
  "msg",
  "requestId",
  "connectionId",
]);

/** The lines of the audit trail, without the fields that pino adds. */
function trailOf({ log }: TestCurfew) {
  const lines = log.filter(({ event }) => event !== undefined);
  return lines.map((line) =>
    Object.fromEntries(Object.entries(line).filter(([field]) => !pinoFields.has(field))),
  );
}

/** Starts a server, and collects the events that `onAudit` receives. */
async function startAudited(options: CurfewOptions = {}) {
  const events: AuditEvent[] = [];
  const curfew = await startCurfew({ ...options, onAudit: (event) => events.push(event) });
  return { curfew, events, [Symbol.asyncDispose]: () => curfew.close() };
}

function attempt(url: string, field: "login" | "register", email: string, word: string) {
  const query = `mutation ($email: String!, $word: String!) {
    ${field}(email: $email, password: $word) { __typename }
  }`;
  return ask(url, query, { variables: { email, word }, headers: { "user-agent": "Guess/1.0" } });
}

function change(url: string, token: string, current: string, next: string) {
  const query = `mutation ($current: String!, $next: String!) {
    changePassword(currentPassword: $current, newPassword: $next) { __typename }
  }`;
  return ask(url, query, { token, variables: { current, next } });
}

it("each fact reaches the log and the app with its event, user, session and client address", async () => {
  const clock = fakeClock();
  await using started = await startAudited({ clock, maxLoginFailures: 2 });
  const { curfew, events } = started;
  const { url } = curfew;
  const email = newEmail();
  const mine = await register(url, email);
  const other = await login(url, email);
  await renew(url, other.renewalToken);
  await change(url, mine.accessToken, "a wrong password", "a whole new password");
  await change(url, mine.accessToken, password, "short");
  await change(url, mine.accessToken, password, "a whole new password");
  await attempt(url, "register", email, password);
  await attempt(url, "register", "no address", password);
  await attempt(url, "login", newEmail(), password);
  for (let i = 0; i < 3; i += 1) await attempt(url, "login", email, password);

  const { userId, sessionId: fingerprint } = mine;
  const by = { address: "127.0.0.1", userAgent: "node" };
  const guess = { address: "127.0.0.1", userAgent: "Guess/1.0" };
  const one = { userId, fingerprint, ...by };
  const two = { userId, fingerprint: other.sessionId, ...by };
  const expiresAt = clock() + 2_592_000_000;
  const facts = [
    { event: "registration", userId, ...by },
    { event: "login", ...one, generation: 0, expiresAt },
    { event: "login", ...two, generation: 0, expiresAt },
    { event: "renewal", ...two, generation: 1, expiresAt },
    { event: "passwordChangeRefused", reason: "WRONG_PASSWORD", ...one },
    { event: "passwordChangeRefused", reason: "INVALID", ...one },
    { event: "passwordChange", ...one },
    { event: "renewal", ...one, generation: 1, expiresAt },
    {
      event: "end",
      ...two,
      reason: "PASSWORD_CHANGED",
      by: "otherSession",
      bySession: fingerprint,
    },
    { event: "registrationRefused", reason: "TAKEN", ...guess },
    { event: "registrationRefused", reason: "INVALID", ...guess },
    { event: "loginRefused", reason: "UNKNOWN_USER", ...guess },
    { event: "loginRefused", reason: "WRONG_PASSWORD", userId, ...guess },
    { event: "loginRefused", reason: "WRONG_PASSWORD", userId, ...guess },
    { event: "throttled", attempt: "login", reason: "ATTEMPTS", ...guess },
  ];
  expect(trailOf(curfew)).toEqual(facts);
  expect(events).toEqual(facts.map((fact) => ({ ...fact, at: clock() })));
  const levels = curfew.log.filter(({ level }) => level === 40).map(({ event }) => event);
  expect(new Set(levels)).toEqual(new Set(["passwordChangeRefused", "loginRefused", "throttled"]));
  const text = JSON.stringify([curfew.log, events]);
  for (const secret of [email, "example.com", "no address", password, "a whole new", "curfew_"])
    expect(text).not.toContain(secret);
});

it("a logout, an end from another session and an operator's end have different facts", async () => {
  await using started = await startAudited();
  const { curfew, events } = started;
  const email = newEmail();
  const mine = await register(curfew.url, email);
  const [out, taken, removed] = [
    await login(curfew.url, email),
    await login(curfew.url, email),
    await login(curfew.url, email),
  ];
  await logout(curfew.url, out.accessToken);
  const token = mine.accessToken;
  const endSession = `mutation { endSession(id: "${taken.sessionId}") { endedSessions } }`;
  await ask(curfew.url, endSession, { token });
  await curfew.admin.endSession(removed.sessionId);
  await ask(curfew.url, "mutation { endOtherSessions { endedSessions } }", { token });
  await ask(curfew.url, `mutation { endSession(id: "${mine.sessionId}") { endedSessions } }`, {
    token,
  });

  const ends = events.filter(({ event }) => event === "end");
  const by = { address: "127.0.0.1", userAgent: "node" };
  expect(ends).toMatchObject([
    { fingerprint: out.sessionId, reason: "LOGOUT", by: "itself", ...by },
    {
      fingerprint: taken.sessionId,
      reason: "ENDED_BY_USER",
      by: "otherSession",
      bySession: mine.sessionId,
      ...by,
    },
    {
      fingerprint: removed.sessionId,
      reason: "ENDED_BY_OPERATOR",
      by: "operator",
      address: null,
      userAgent: null,
    },
    { fingerprint: mine.sessionId, reason: "ENDED_BY_USER", by: "itself", ...by },
  ]);
});

it("each fact is recorded once, although all nodes receive the message", async () => {
  await using redis = await startRedis();
  await using nodes = await startNodes(redis);
  const { here, there } = nodes;
  const first = await register(here.url);
  const second = await renew(there.url, first.renewalToken);
  if (typeof second === "string") throw new Error(second);
  await Promise.all([logout(here.url, second.accessToken), logout(there.url, first.accessToken)]);
  const trail = [...trailOf(here), ...trailOf(there)].map(({ event }) => event);
  expect(trail.filter((event) => event !== "refused").toSorted()).toEqual([
    "end",
    "login",
    "registration",
    "renewal",
  ]);
  expect(trailOf(there).map(({ event }) => event)).toContain("renewal");
});

it("an app's onAudit that throws or rejects is reported and has no other effect", async () => {
  const onAudit = vi
    .fn<(event: AuditEvent) => unknown>()
    .mockImplementationOnce(() => {
      throw new Error("The app's own");
    })
    .mockRejectedValueOnce(new Error("The app's own, later"));
  await using curfew = await startCurfew({ onAudit });
  const { accessToken } = await register(curfew.url);
  expect(await logout(curfew.url, accessToken)).toBe(1);
  expect(onAudit.mock.calls.map(([{ event }]) => event)).toEqual(["registration", "login", "end"]);
  const faults = () => curfew.log.filter(({ msg }) => msg === "the app's onAudit failed");
  await until(() => faults().length === 2);
  expect(faults()).toMatchObject([
    { err: { message: "The app's own" } },
    { err: { message: "The app's own, later" } },
  ]);
});

it("locks, unlocks and deletions that changed something are recorded, and so are a locked user's attempts", async () => {
  await using started = await startAudited();
  const { curfew, events } = started;
  const email = newEmail();
  const { userId } = await register(curfew.url, email);
  await curfew.admin.lock(userId);
  await attempt(curfew.url, "login", email, password);
  await curfew.admin.lock(userId);
  await curfew.admin.unlock(userId);
  await curfew.admin.unlock(userId);
  await curfew.admin.delete(userId);
  await curfew.admin.delete(userId);
  expect(events.slice(2)).toMatchObject([
    { event: "lock", userId },
    { event: "end", userId, reason: "USER_GONE", by: "operator" },
    { event: "loginRefused", userId, reason: "LOCKED" },
    { event: "unlock", userId },
    { event: "deletion", userId },
  ]);
});
