import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { SqliteUsers } from "../../src/users/sqlite.ts";
import { newFolder, runCommand, type Env } from "../helpers/command.ts";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import {
  ask,
  logout,
  newEmail,
  password,
  register,
  renew,
  type SignedIn,
} from "../helpers/http.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { startRedis } from "../helpers/redis.ts";

const secret = "the only secret of this test run";
const otherSecret = "the secret of some other service";

/** Runs the command. Returns the verdict, the facts by label and the exit code. The output must not contain the token. */
async function inspect(token: string, env: Env) {
  const { code, output, errors } = await runCommand(["inspect", token], env);
  expect(errors).toBe("");
  expect(output).not.toContain(token);
  expect(output).not.toContain(token.slice(-32));
  const [verdict, ...lines] = output.trimEnd().split("\n");
  const facts = lines.map((line) => line.trim().split(/ {2,}/));
  return { code, verdict, facts: Object.fromEntries(facts) as Record<string, string> };
}

/** Starts a server whose data the command can read. */
async function startServer(options: CurfewOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await newFolder());
  const dataDir = join(folder.path, "data");
  const { url } = opened.use(await startCurfew({ dataDir, secrets: [secret], ...options }));
  const owned = opened.move();
  const env: Env = { DATA_DIR: dataDir, CURFEW_SECRETS: secret };
  return { url, env, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

it("inspect explains an accepted access token", async () => {
  await using server = await startServer();
  const { accessToken, sessionId, userId, accessTokenExpiresAt } = await register(server.url);

  const { code, verdict, facts } = await inspect(accessToken, server.env);

  expect(verdict).toBe("This access token is accepted.");
  expect(code).toBe(0);
  expect(facts).toEqual({
    key: expect.stringMatching(/^[0-9a-f]{12}, a key of this server$/),
    "server's keys": expect.stringMatching(/^[0-9a-f]{12}$/),
    signature: "valid",
    expires: expect.stringMatching(`^${accessTokenExpiresAt} \\(in 29m \\d+s\\)$`),
    fingerprint: sessionId,
    session: "live",
    user: userId,
    generation: "0, same as the token",
    created: expect.stringMatching(/Z \(\d+s ago\)$/),
    renewed: "never",
    "last seen": expect.stringMatching(/Z \(\d+s ago\)$/),
    "access until": facts["expires"],
    "renewal until": expect.stringMatching(/Z \(in 29d 23h\)$/),
    "ends by": expect.stringMatching(/Z \(in 89d 23h\)$/),
  });
});

it("inspect reports that the token's session has ended", async () => {
  await using server = await startServer();
  const { accessToken, renewalToken } = await register(server.url);
  await logout(server.url, accessToken);

  expect(await inspect(accessToken, server.env)).toMatchObject({
    code: 1,
    verdict: "This access token is refused: its session has ended.",
    facts: { session: "absent: it ended, or was never stored here" },
  });
  expect(await inspect(renewalToken, server.env)).toMatchObject({
    code: 1,
    verdict: "This renewal token is refused: its session has ended.",
  });
});

it("inspect distinguishes the tokens before a renewal from those after it", async () => {
  // A grace that is longer than the commands take on any machine.
  await using server = await startServer({ renewalGrace: 600_000 });
  const before = await register(server.url);
  const after = (await renew(server.url, before.renewalToken)) as SignedIn;

  expect(await inspect(before.accessToken, server.env)).toMatchObject({
    code: 1,
    verdict: "This access token is refused: its session was renewed and has a newer token.",
    facts: { generation: expect.stringMatching(/^1, the token is superseded, with grace until /) },
  });
  expect(await inspect(before.renewalToken, server.env)).toMatchObject({
    code: 0,
    verdict:
      "This renewal token is accepted: it was used within the grace period, and returns the same pair.",
  });
  for (const [kind, token] of [
    ["access", after.accessToken],
    ["renewal", after.renewalToken],
  ] as const)
    expect(await inspect(token, server.env)).toMatchObject({
      code: 0,
      verdict: `This ${kind} token is accepted.`,
      facts: { generation: "1, same as the token", renewed: expect.stringMatching(/ago\)$/) },
    });
});

it("inspect explains why a token from before a password change is refused", async () => {
  await using server = await startServer();
  const before = await register(server.url);
  const query = `mutation { changePassword(
    currentPassword: "${password}", newPassword: "another long password"
  ) { ... on PasswordChanged { tokens { accessToken renewalToken } } } }`;
  const { data } = await ask(server.url, query, { token: before.accessToken });
  const { accessToken, renewalToken } = data.changePassword.tokens;

  const why = "it was issued before the password was changed";
  const generation = "1, the token is from before the password was changed";
  for (const [kind, token] of [
    ["access", before.accessToken],
    ["renewal", before.renewalToken],
  ] as const)
    expect(await inspect(token, server.env)).toMatchObject({
      code: 1,
      verdict: `This ${kind} token is refused: ${why}.`,
      facts: { generation: expect.stringContaining(generation) },
    });
  for (const token of [accessToken, renewalToken])
    expect(await inspect(token, server.env)).toMatchObject({ code: 0 });
});

it("inspect reports that the sessions of the token's user were ended after it began", async () => {
  await using server = await startServer();
  const { renewalToken, userId } = await register(server.url);
  {
    using database = new DatabaseSync(join(server.env["DATA_DIR"] ?? "", "curfew.db"));
    await new SqliteUsers(database).raiseSecurityVersion(userId, "ENDED_BY_OPERATOR");
  }
  expect(await inspect(renewalToken, server.env)).toMatchObject({
    code: 1,
    verdict: "This renewal token is refused: the sessions of its user were ended after it began.",
  });
});

it("inspect reports that a renewal token was used before, without using it", async () => {
  await using server = await startServer({ renewalGrace: 0 });
  const before = await register(server.url);
  const after = (await renew(server.url, before.renewalToken)) as SignedIn;

  expect(await inspect(before.renewalToken, server.env)).toMatchObject({
    code: 1,
    verdict:
      "This renewal token is refused: it was used before, and using it again ends its session.",
    facts: { generation: "1, the token is superseded" },
  });
  expect(await inspect(after.accessToken, server.env)).toMatchObject({ code: 0 });
});

it("inspect reports when a token expired", async () => {
  await using server = await startServer({ clock: fakeClock(Date.now() - 3_600_000) });
  const { accessToken, renewalToken } = await register(server.url);

  expect(await inspect(accessToken, server.env)).toMatchObject({
    code: 1,
    verdict: "This access token is refused: it has expired.",
    facts: { expires: expect.stringMatching(/\(3\dm( \d+s)? ago\)$/), session: "live" },
  });
  expect(await inspect(renewalToken, server.env)).toMatchObject({ code: 0 });
});

it("inspect distinguishes a token of another server from a modified token", async () => {
  await using server = await startServer();
  const { accessToken } = await register(server.url);

  const elsewhere = { ...server.env, CURFEW_SECRETS: otherSecret };
  expect(await inspect(accessToken, elsewhere)).toMatchObject({
    code: 1,
    verdict: "This access token is refused: no key of this server signed it.",
    facts: { key: expect.stringContaining(", not a key of this server"), signature: "invalid" },
  });
  const changed = accessToken.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  expect(await inspect(changed, server.env)).toMatchObject({
    code: 1,
    verdict: "This access token is refused: it was changed after it was signed.",
  });
  const bothKeys = { ...server.env, CURFEW_SECRETS: `${otherSecret},${secret}` };
  expect(await inspect(accessToken, bothKeys)).toMatchObject({
    code: 0,
    facts: { "server's keys": expect.stringMatching(/^[0-9a-f]{12}, [0-9a-f]{12}$/) },
  });
});

it.each([
  ["hunter2", "This text is refused: it begins with neither curfew_access_ nor curfew_renewal_."],
  [
    `curfew_access_${"x".repeat(80)}`,
    "This access token is refused: it has 80 characters after its prefix instead of 88.",
  ],
  [
    `curfew_renewal_${"x".repeat(87)}…`,
    "This renewal token is refused: it contains characters that tokens do not have.",
  ],
  [
    `curfew_access_${"x".repeat(88)}`,
    "This access token is refused: the part after its prefix belongs to another kind or version.",
  ],
])("inspect explains what is wrong with %s", async (token, verdict) => {
  expect(await inspect(token, {})).toEqual({ code: 1, verdict, facts: {} });
});

it("inspect reads standard input, and accepts the value of an Authorization header", async () => {
  await using server = await startServer();
  const { accessToken } = await register(server.url);

  for (const args of [[], ["-"]]) {
    const input = `Bearer ${accessToken}\n`;
    const outcome = await runCommand(["inspect", ...args], server.env, input);
    expect(outcome).toMatchObject({ code: 0, errors: "" });
    expect(outcome.output).toMatch(/^This access token is accepted\.\n/);
    expect(outcome.output).not.toContain(accessToken);
  }
});

it("inspect finds the secret that a server generated", async () => {
  await using server = await startServer({ secrets: undefined });
  const { accessToken } = await register(server.url);

  const { DATA_DIR = "" } = server.env;
  expect(await inspect(accessToken, { DATA_DIR })).toMatchObject({ code: 0 });
});

it("inspect reports missing data, and creates nothing", async () => {
  await using server = await startServer();
  const { accessToken } = await register(server.url);
  await using folder = await newFolder();
  const dataDir = join(folder.path, "nothing");
  const verdict = `This access token cannot be checked: there is no data in ${dataDir}.`;

  expect(await inspect(accessToken, { DATA_DIR: dataDir })).toMatchObject({ code: 2, verdict });
  expect(await inspect(accessToken, { DATA_DIR: dataDir, CURFEW_SECRETS: secret })).toMatchObject({
    code: 2,
    verdict,
    facts: { signature: "valid", session: "unknown" },
  });
  expect(existsSync(dataDir)).toBe(false);
});

it("inspect asks Redis, and reports an unreachable Redis as unknown, not as an end", async () => {
  await using redis = await startRedis();
  await using server = await startServer({ redisUrl: redis.url });
  const { accessToken } = await register(server.url, newEmail());
  await using folder = await newFolder();
  const dataDir = join(folder.path, "nothing");
  const env = { DATA_DIR: dataDir, CURFEW_SECRETS: secret, REDIS_URL: redis.url };

  expect(await inspect(accessToken, env)).toMatchObject({ code: 0, facts: { session: "live" } });
  await redis.kill();
  expect(await inspect(accessToken, env)).toMatchObject({
    code: 2,
    verdict: expect.stringMatching(
      /^This access token cannot be checked: its session cannot be looked up \(Redis at 127\.0\.0\.1:\d+ cannot be used: .*ECONNREFUSED.*\)\.$/,
    ),
    facts: { session: "unknown" },
  });
  expect(existsSync(dataDir)).toBe(false);
});

it("inspect reports the session while PostgreSQL is down", async () => {
  await using postgres = await PostgresServer.start();
  const databaseUrl = await postgres.newDatabase();
  await using server = await startServer({ databaseUrl });
  const { accessToken, renewalToken, userId } = await register(server.url);
  const env = { ...server.env, DATABASE_URL: databaseUrl };
  expect(await inspect(renewalToken, env)).toMatchObject({ code: 0, facts: { user: userId } });
  await postgres.kill();

  const facts = { session: "live", user: `${userId}, cannot be looked up` };
  // As in the server, which looks the user up only for a renewal.
  expect(await inspect(accessToken, env)).toMatchObject({ code: 0, facts });
  expect(await inspect(renewalToken, env)).toMatchObject({
    code: 2,
    verdict: expect.stringMatching(
      /^This renewal token cannot be checked: its user cannot be looked up \(The users cannot be read or written: .*\)\.$/,
    ),
    facts,
  });
});

it.each([
  ["no token", {}, [], /^Usage: /],
  ["two of them", {}, ["a", "b"], /^Usage: /],
  ["a wrong setting", { PORT: "many" }, ["a"], /^These settings are wrong:\n {2}PORT must be /],
])("inspect exits with 2 for %s", async (_case, env, args, expected) => {
  const outcome = await runCommand(["inspect", ...args], env);
  expect(outcome).toMatchObject({ code: 2, output: "" });
  expect(outcome.errors).toMatch(expected);
});
