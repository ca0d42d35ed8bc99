/** What sessions write into the audit trail: each fact once, with who did it and from where. */
import { describe, expect, test } from "vitest";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { day, device, lifetimes, startDomain } from "../helpers/domain.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";

const here = { address: device.ipAddress, userAgent: device.userAgent };
const elsewhere = { userAgent: "Other/2.0", ipAddress: "198.51.100.7" };
const there = { address: elsewhere.ipAddress, userAgent: elsewhere.userAgent };
const nowhere = { address: null, userAgent: null };

test("a session's life is written down: its login, its renewal and its end, each once", async () => {
  const { sessions, login, renew, audited, clock } = startDomain();
  const { session, tokens } = await login();
  const { fingerprint, userId } = session;
  clock.advance(day);
  const renewal = await sessions.renew(tokens.renewalToken, elsewhere);
  // The same pair again is no other renewal, and a use is no fact.
  const again = await renew(tokens.renewalToken);
  await sessions.authenticate(again.tokens.accessToken);
  const actor = { by: "session", fingerprint, device: elsewhere } as const;
  await sessions.end(fingerprint, "LOGOUT", actor);
  await sessions.end(fingerprint, "LOGOUT", actor);

  expect(renewal.outcome).toBe("renewed");
  const its = { userId, fingerprint };
  const first = session.createdAt + lifetimes.renewal;
  expect(audited).toEqual([
    { event: "login", ...its, generation: 0, expiresAt: first, ...here },
    { event: "renewal", ...its, generation: 1, expiresAt: first + day, ...there },
    { event: "end", ...its, reason: "LOGOUT", by: "itself", ...there },
  ]);
});

describe("an end", () => {
  test.each([
    [{ by: "system" }, { by: "system", ...nowhere }],
    [{ by: "operator" }, { by: "operator", ...nowhere }],
    [
      { by: "session", fingerprint: "another", device: elsewhere },
      { by: "otherSession", bySession: "another", ...there },
    ],
  ] as const)("by %j says so", async (actor, expected) => {
    const { sessions, login, audited } = startDomain();
    const { session } = await login();
    await sessions.end(session.fingerprint, "ENDED_BY_USER", actor);
    const { userId, fingerprint } = session;
    const fact = { event: "end", userId, fingerprint, reason: "ENDED_BY_USER", ...expected };
    expect(audited.slice(1)).toEqual([fact]);
  });

  test("of each of a user's other sessions is a fact of its own", async () => {
    const { sessions, login, audited } = startDomain();
    const kept = (await login()).session.fingerprint;
    const others = [(await login()).session.fingerprint, (await login()).session.fingerprint];
    const actor = { by: "session", fingerprint: kept, device } as const;
    await sessions.endOthers("ada", kept, "PASSWORD_CHANGED", actor);
    const ends = audited.flatMap((fact) => (fact.event === "end" ? [fact] : []));
    expect(ends.map(({ fingerprint }) => fingerprint).toSorted()).toEqual(others.toSorted());
    for (const end of ends) expect(end).toMatchObject({ by: "otherSession", bySession: kept });
  });

  test("for the limit of sessions is the system's", async () => {
    const { login, audited, clock } = startDomain({ maxSessionsPerUser: 1 });
    const { session } = await login();
    clock.advance(1);
    await login();
    const { fingerprint } = session;
    expect(audited.filter(({ event }) => event === "end")).toMatchObject([
      { fingerprint, reason: "SESSION_LIMIT", by: "system" },
    ]);
  });

  test("of which the store said nothing is written down as unknown, and not again when it is repeated", async () => {
    let isLost = false;
    const store = intercept<SessionStore>(memoryStore(), {
      end:
        (real) =>
        async (...args) => {
          const session = await real(...args);
          if (isLost) throw new StoreUnavailable("The answer was lost");
          return session;
        },
    });
    const { sessions, login, audited } = startDomain({ store });
    const { fingerprint } = (await login()).session;
    isLost = true;
    const end = async () => sessions.end(fingerprint, "LOGOUT");
    await expect(end()).rejects.toThrow(StoreUnavailable);
    isLost = false;
    expect(await end()).toBe(0);
    const fact = { fingerprint, reason: "LOGOUT", by: "system", ...nowhere };
    expect(audited.slice(1)).toEqual([{ event: "endUnknown", ...fact }]);
  });

  test("that comes by itself is nobody's: the last fact said when it would be", async () => {
    const { login, access, clock, audited } = startDomain();
    const { tokens } = await login();
    clock.advance(lifetimes.renewal);
    expect(await access(tokens.accessToken)).toBe("EXPIRED");
    expect(audited).toMatchObject([{ event: "login", expiresAt: clock.now }]);
  });
});

describe("a renewal", () => {
  test("by a used token is an end, and a reuse by whoever sent it", async () => {
    const { sessions, login, renew, clock, audited } = startDomain();
    const { session, tokens } = await login();
    await renew(tokens.renewalToken);
    clock.advance(lifetimes.grace);
    await sessions.renew(tokens.renewalToken, elsewhere);
    const { userId, fingerprint } = session;
    expect(audited.slice(2)).toEqual([
      { event: "end", userId, fingerprint, reason: "RENEWAL_REUSED", by: "system", ...nowhere },
      { event: "reuse", userId, fingerprint, generation: 0, ...there },
    ]);
  });

  test("that is refused says why, and of which session where the token is one", async () => {
    const { sessions, login, logout, audited } = startDomain();
    const { session, tokens } = await login();
    for (const token of ["", "abc", tokens.accessToken]) await sessions.renew(token, elsewhere);
    await logout(tokens.accessToken);
    await sessions.renew(tokens.renewalToken, elsewhere);
    const its = { fingerprint: session.fingerprint, generation: 0 };
    const refusals = audited.filter(({ event }) => event === "renewalRefused");
    expect(refusals).toEqual([
      { event: "renewalRefused", reason: "MISSING", ...there },
      { event: "renewalRefused", reason: "MALFORMED", ...there },
      { event: "renewalRefused", reason: "WRONG_KIND", ...its, ...there },
      { event: "renewalRefused", reason: "ENDED", ...its, ...there },
    ]);
  });

  test("for a user who is gone ends the session, and is refused", async () => {
    const { login, renewal, disabledUsers, audited } = startDomain();
    const { tokens } = await login();
    disabledUsers.add("ada");
    await renewal(tokens.renewalToken);
    expect(audited.slice(1)).toMatchObject([
      { event: "end", reason: "USER_GONE", by: "system" },
      { event: "renewalRefused", reason: "USER_GONE" },
    ]);
  });
});
