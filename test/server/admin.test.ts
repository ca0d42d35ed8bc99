/** The command `curfew admin` as a process beside the servers: its output, and that the servers react at once. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { newFolder, runCommand, type Env } from "../helpers/command.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, login, newEmail, register, renew, tryLogin } from "../helpers/http.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { startRedis } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { connect, watchSessions } from "../helpers/socket.ts";

const secret = "the only secret of this test run";
const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
/** Disables rechecks, which would find ended sessions by themselves. */
const unchecked = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };

/** Starts a server on a database file of its own or a shared one. Returns the settings that find its data. */
async function startServer(options: CurfewOptions = {}, env: Env = {}) {
  await using opened = new AsyncDisposableStack();
  const dataDir = options.dataDir ?? join(opened.use(await newFolder()).path, "data");
  const settings = { dataDir, secrets: [secret], ...unchecked, ...options };
  const curfew = opened.use(await startCurfew(settings));
  const kept = opened.move();
  return {
    curfew,
    dataDir,
    env: { DATA_DIR: dataDir, CURFEW_SECRETS: secret, ...env },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Runs the command. Returns its output, its exit code and its audit facts. */
async function admin(env: Env, ...args: string[]) {
  const { code, output, errors } = await runCommand(["admin", ...args], env);
  const facts = errors.split("\n").flatMap((line) => (line.startsWith("{") ? [line] : []));
  return {
    code,
    output: output.trimEnd(),
    errors,
    facts: facts.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
  };
}

async function reasonAt(url: string, token: string) {
  const { errors } = await ask(url, 'mutation { endSession(id: "none") { endedSessions } }', {
    token,
  });
  return errors?.[0]?.extensions?.["reason"];
}

describe("curfew admin on the database of a running server", () => {
  it("lists a user's sessions, by e-mail or id, without any token", async () => {
    await using server = await startServer();
    const { url } = server.curfew;
    const email = newEmail();
    const one = await register(url, email);
    const two = await login(url, email);
    for (const who of [email.toUpperCase(), one.userId]) {
      const { code, output, errors } = await admin(server.env, "sessions", who);
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      expect(output).toMatch(`${email} (${one.userId}): 2 sessions`);
      for (const { sessionId } of [one, two]) expect(output).toContain(`\n${sessionId}\n`);
      expect(output).toMatch(/ {2}created {5}\S+Z \(\d+s ago\)\n {2}renewed {5}never\n/);
      expect(output).toMatch(/ {2}expires {5}\S+Z \(in 29d 23h\)\n/);
      expect(output).toMatch(/ {2}address {5}127\.0\.0\.1\n {2}user agent {2}node/);
      for (const { accessToken, renewalToken } of [one, two])
        for (const token of [accessToken, renewalToken])
          expect(output).not.toContain(token.slice(-64));
    }
  });

  it("ends one session, whose socket closes at once, and no other", async () => {
    await using server = await startServer();
    const { url, socketUrl, sessions } = server.curfew;
    const email = newEmail();
    const kept = await register(url, email);
    const ended = await login(url, email);
    await using ofKept = await connect(socketUrl, kept.accessToken);
    const watching = await watchSessions(ofKept, () => sessions.start(kept.userId, device));
    await using socket = await connect(socketUrl, ended.accessToken);

    const { code, output, facts } = await admin(server.env, "end-session", ended.sessionId);

    expect({ code, output }).toEqual({ code: 0, output: `Ended session ${ended.sessionId}.` });
    expect(facts).toMatchObject([
      { event: "end", fingerprint: ended.sessionId, reason: "ENDED_BY_OPERATOR", by: "operator" },
    ]);
    expect(await socket.closed).toEqual(sessionEnded);
    // Without Redis, the server finds the end of the session in its database, but not the reason.
    expect(await watching.of(ended.sessionId)).toEqual({ type: "ENDED", endReason: null });
    expect(await reasonAt(url, kept.accessToken)).toBeUndefined();
    expect(await reasonAt(url, ended.accessToken)).toBe("ENDED");
    expect(await admin(server.env, "end-session", ended.sessionId)).toMatchObject({
      code: 1,
      output: `There is no live session ${ended.sessionId}.`,
      facts: [],
    });
  });

  it("locks a user, whose sockets close at once and who cannot sign in until unlocked", async () => {
    await using server = await startServer();
    const { url, socketUrl } = server.curfew;
    const email = newEmail();
    const one = await register(url, email);
    const two = await login(url, email);
    await using first = await connect(socketUrl, one.accessToken);
    await using second = await connect(socketUrl, two.accessToken);

    const locked = await admin(server.env, "lock", email);

    expect(locked).toMatchObject({
      code: 0,
      output: `Locked ${email} (${one.userId}); ended 2 sessions.`,
    });
    expect(locked.facts.map(({ event }) => event)).toEqual(["lock", "end", "end"]);
    for (const socket of [first, second]) expect(await socket.closed).toEqual(sessionEnded);
    expect(await renew(url, one.renewalToken)).toBe("ENDED");
    expect(await tryLogin(url, email)).toBe("InvalidCredentials");
    expect(await admin(server.env, "unlock", one.userId)).toMatchObject({
      code: 0,
      output: `Unlocked ${email} (${one.userId}).`,
      facts: [{ event: "unlock", userId: one.userId }],
    });
    expect(await tryLogin(url, email)).toBe("SignedIn");
  });

  it("ends all of a user's sessions, or deletes the user with them", async () => {
    await using server = await startServer();
    const { url, socketUrl } = server.curfew;
    const email = newEmail();
    const { userId, accessToken } = await register(url, email);
    await using first = await connect(socketUrl, accessToken);
    const name = `${email} (${userId})`;
    expect((await admin(server.env, "end-sessions", userId)).output).toBe(
      `${name}: ended 1 session.`,
    );
    expect(await first.closed).toEqual(sessionEnded);
    await using second = await connect(socketUrl, (await login(url, email)).accessToken);
    const deleted = await admin(server.env, "delete", email);
    expect(deleted).toMatchObject({ code: 0, output: `Deleted ${name}; ended 1 session.` });
    expect(await second.closed).toEqual(sessionEnded);
    expect(await tryLogin(url, email)).toBe("InvalidCredentials");
    for (const command of ["sessions", "end-sessions", "lock", "unlock", "delete"])
      expect(await admin(server.env, command, email)).toMatchObject({
        code: 1,
        output: `There is no user ${email}.`,
        facts: [],
      });
  });

  it("ends the remaining sessions of a deleted user, by the user's id", async () => {
    await using server = await startServer();
    const { sessions } = server.curfew;
    await sessions.start("left behind", { userAgent: "A\u009b31m", ipAddress: null });
    const { output } = await admin(server.env, "sessions", "left behind");
    expect(output).toMatch("left behind: 1 session\n");
    expect(output).toContain("address     unknown\n  user agent  A\uFFFD31m");
    expect(await admin(server.env, "delete", "left behind")).toMatchObject({
      code: 0,
      output: "left behind; ended 1 session.",
    });
    expect(await sessions.list("left behind")).toEqual([]);
  });
});

describe("curfew admin end-everybody", () => {
  const raised =
    "Raised the security versions of all users: older sessions that come back end too.";

  it("ends all sessions in the database of a running server, and their sockets at once", async () => {
    await using server = await startServer();
    const { url, socketUrl } = server.curfew;
    const email = newEmail();
    const one = await register(url, email);
    await login(url, email);
    const other = await register(url);
    await using socket = await connect(socketUrl, other.accessToken);

    const ended = await admin(server.env, "end-everybody");

    expect(ended).toMatchObject({ code: 0, output: `Ended 3 sessions. ${raised}` });
    expect(ended.facts.map(({ event }) => event)).toEqual(["endEverybody", "end", "end", "end"]);
    expect(ended.facts[0]).toMatchObject({ versions: "raised", level: 40 });
    expect(await socket.closed).toEqual(sessionEnded);
    for (const { renewalToken } of [one, other])
      expect(await renew(url, renewalToken)).toBe("ENDED");
    expect(await tryLogin(url, email)).toBe("SignedIn");
    expect(await admin(server.env, "end-everybody")).toMatchObject({
      code: 0,
      output: `Ended 1 session. ${raised}`,
    });
  });

  it("ends all sessions in Redis on a machine without the users, and reports that they are elsewhere", async () => {
    await using redis = await startRedis();
    await using server = await startServer({ redisUrl: redis.url });
    const { url } = server.curfew;
    const { renewalToken } = await register(url);
    const env = { DATA_DIR: "/nowhere", CURFEW_SECRETS: secret, REDIS_URL: redis.url };
    const ended = await admin(env, "end-everybody");
    expect(ended).toMatchObject({ code: 0, facts: [{ versions: "elsewhere" }, { event: "end" }] });
    expect(ended.output).toMatch(/^Ended 1 session\. The users are kept on another machine: /);
    expect(await renew(url, renewalToken)).toBe("ENDED");
  });

  it("ends all sessions in the store while PostgreSQL is down, and then exits with 2", async () => {
    await using postgres = await PostgresServer.start();
    const databaseUrl = await postgres.newDatabase();
    await using server = await startServer({ databaseUrl }, { DATABASE_URL: databaseUrl });
    const { userId } = await register(server.curfew.url);
    await postgres.kill();
    const ended = await admin(server.env, "end-everybody");
    expect(ended).toMatchObject({
      code: 2,
      facts: [{ versions: "unavailable" }, { event: "end" }],
    });
    expect(ended.output).toMatch(
      /^Ended 1 session\. The user directory did not answer: .* Run the command again\.$/,
    );
    expect(await server.curfew.sessions.list(userId)).toEqual([]);
  });
});

it("curfew admin closes sockets at once on every node that shares a Redis", async () => {
  await using redis = await startRedis();
  const redisUrl = redis.url;
  await using here = await startServer({ redisUrl }, { REDIS_URL: redisUrl });
  await using there = await startServer({ redisUrl, dataDir: here.dataDir });
  const email = newEmail();
  const one = await register(here.curfew.url, email);
  const two = await login(there.curfew.url, email);
  await using first = await connect(there.curfew.socketUrl, one.accessToken);
  await using second = await connect(here.curfew.socketUrl, two.accessToken);

  expect(await admin(here.env, "lock", email)).toMatchObject({
    code: 0,
    output: `Locked ${email} (${one.userId}); ended 2 sessions.`,
  });

  expect(await first.closed).toEqual(sessionEnded);
  expect(await second.closed).toEqual(sessionEnded);
  await redis.kill();
  const failed = await admin(here.env, "end-sessions", email);
  expect(failed).toMatchObject({ code: 2, output: "" });
  expect(failed.errors).toMatch(/^Redis at 127\.0\.0\.1:\d+ cannot be used: /);
});

it("curfew admin lock fails and changes nothing while PostgreSQL is down", async () => {
  await using postgres = await PostgresServer.start();
  const databaseUrl = await postgres.newDatabase();
  await using server = await startServer({ databaseUrl }, { DATABASE_URL: databaseUrl });
  const email = newEmail();
  const { userId, sessionId } = await register(server.curfew.url, email);
  expect((await admin(server.env, "sessions", email)).output).toContain(sessionId);
  await postgres.kill();
  const failed = await admin(server.env, "lock", email);
  expect(failed).toMatchObject({ code: 2, output: "", facts: [] });
  expect(failed.errors).toMatch(/The users cannot be read or written/);
  expect(failed.errors).not.toContain(new URL(databaseUrl).password);
  expect(await server.curfew.sessions.list(userId)).toHaveLength(1);
});

it.each([
  ["nothing", {}, [], /^Usage: /],
  ["no argument", {}, ["lock"], /^Usage: /],
  ["an unknown command", {}, ["evict", "ada@example.com"], /^Usage: /],
  ["two arguments", {}, ["lock", "a", "b"], /^Usage: /],
  ["end-everybody with an argument", {}, ["end-everybody", "ada@example.com"], /^Usage: /],
  [
    "a wrong setting",
    { PORT: "many" },
    ["lock", "a"],
    /^These settings are wrong:\n {2}PORT must /,
  ],
  [
    "no data",
    { DATA_DIR: "/nowhere" },
    ["lock", "a"],
    /^Nothing was done: there is no data in \/nowhere\n/,
  ],
])("the command exits with 2 for %s", async (_case, env, args, expected) => {
  const outcome = await runCommand(["admin", ...args], env);
  expect(outcome).toMatchObject({ code: 2, output: "" });
  expect(outcome.errors).toMatch(expected);
});
