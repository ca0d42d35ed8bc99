/** Users in PostgreSQL, beyond the contract: starts, outages and their messages. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { openPostgresUsers } from "../helpers/adapters.ts";
import { userDirectoryContract } from "../../src/testing/user-directory.ts";
import { runCommand } from "../helpers/command.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, askData, login, newEmail, password, register, renew } from "../helpers/http.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { startProxy } from "../helpers/proxy.ts";
import { until } from "../helpers/until.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Users in PostgreSQL that the test closes. */
async function open(url: string) {
  const users = await openPostgresUsers(url);
  return { users, [Symbol.asyncDispose]: () => users.close() };
}

/** The URL with the port of a proxy. */
function through(url: string, port: number): string {
  return url.replace(/:\d+\//, `:${port}/`);
}

userDirectoryContract("PostgreSQL", async () => openPostgresUsers(await server.newDatabase()));

describe("a start", () => {
  const versions = "SELECT version FROM curfew_migrations ORDER BY version";

  // Repeated, because races differ from run to run.
  test.each([1, 2, 3])(
    "creates the tables once when many nodes start concurrently: %i",
    async () => {
      const url = await server.newDatabase();
      const starts = await Promise.all(Array.from({ length: 8 }, () => openPostgresUsers(url)));
      const [first, ...others] = starts;
      const ada = await first?.create("ada@example.com", "hash", 1);
      for (const other of others) {
        expect(await other.byEmail("ada@example.com")).toEqual({ user: ada, passwordHash: "hash" });
      }
      expect(await server.query(url, versions)).toEqual([{ version: 1 }, { version: 2 }]);
      await Promise.all(starts.map((users) => users.close()));
    },
  );

  test("leaves existing tables, also of a later version, and then needs no privilege to create tables", async () => {
    const url = await server.newDatabase();
    {
      await using first = await open(url);
      await first.users.create("ada@example.com", "hash", 1);
    }
    await server.query(url, "INSERT INTO curfew_migrations (version) VALUES (1000)");
    await server.query(
      url,
      `CREATE ROLE app LOGIN PASSWORD 'of the app';
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app`,
    );
    const asApp = new URL(url);
    [asApp.username, asApp.password] = ["app", "of the app"];
    await using second = await open(asApp.href);
    expect(await second.users.byEmail("ada@example.com")).toBeDefined();
    expect(await second.users.create("bob@example.com", "hash", 1)).not.toBe("taken");
    expect(await server.query(url, versions)).toHaveLength(3);
  });

  test("gives tables of the previous version the security version, and its statements still work", async () => {
    const url = await server.newDatabase();
    const insert = (id: string) =>
      server.query(
        url,
        `INSERT INTO curfew_users (id, email, password_hash, created_at)
         VALUES ('${id}', '${id}@example.com', 'hash', 1) ON CONFLICT (email) DO NOTHING RETURNING *`,
      );
    await server.query(
      url,
      `CREATE TABLE curfew_migrations (version integer PRIMARY KEY);
       INSERT INTO curfew_migrations VALUES (1);
       CREATE TABLE curfew_users (id text PRIMARY KEY, email text NOT NULL UNIQUE,
         password_hash text NOT NULL, created_at bigint NOT NULL, locked boolean NOT NULL DEFAULT false)`,
    );
    await insert("ada");
    await using opened = await open(url);
    const { users } = opened;
    await insert("bob");
    for (const id of ["ada", "bob"])
      expect(await users.byId(id)).toMatchObject({ id, securityVersion: 0 });
    expect(await users.changePassword("ada", "hash", "next")).toBe(1);
    await server.query(url, "UPDATE curfew_users SET locked = true WHERE id = 'ada'");
    expect(await users.byId("ada")).toMatchObject({ locked: true, securityVersion: 1 });
    await server.query(url, "UPDATE curfew_users SET security_reason = 'OF_A_LATER_VERSION'");
    expect(await users.byId("ada")).not.toHaveProperty("securityReason");
  });

  test("does not touch the app's tables", async () => {
    const url = await server.newDatabase();
    await server.query(url, "CREATE TABLE users (name text)");
    await using opened = await open(url);
    expect(await opened.users.create("ada@example.com", "hash", 1)).not.toBe("taken");
    expect(await server.query(url, "SELECT * FROM users")).toEqual([]);
  });

  const example = "Example: DATABASE_URL=postgres://user:password@localhost:5432/curfew\n";
  test.each([
    ["a wrong password", "postgres", "hunter2", 'password authentication failed for user "curfew"'],
    ["a database that is not there", "nowhere", undefined, 'database "nowhere" does not exist'],
  ])("fails for %s with that reason", async (_case, database, secret, fault) => {
    const url = server.urlOf(database, secret);
    const { code, output, errors } = await runCommand([], { DATABASE_URL: url });
    expect({ code, output }).toEqual({ code: 1, output: "" });
    const place = `127.0.0.1:${server.port}`;
    expect(errors).toBe(`DATABASE_URL: PostgreSQL at ${place}: ${fault}. ${example}`);
  });

  test("fails if no server listens or replies, without the password in the message", async () => {
    await using proxy = await startProxy(server.port);
    proxy.stall();
    const silent = through(server.urlOf("postgres", "hunter2"), proxy.port);
    const opening = openPostgresUsers(silent);
    await expect(opening).rejects.toThrow(
      `DATABASE_URL: PostgreSQL at 127.0.0.1:${proxy.port}: timeout expired. Example: `,
    );
    const nowhere = openPostgresUsers("postgres://curfew:hunter2@127.0.0.1:1/curfew");
    await expect(nowhere).rejects.toThrow(
      "DATABASE_URL: PostgreSQL at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1. Example: ",
    );
    for (const start of [opening, nowhere]) await expect(start).rejects.not.toThrow(/hunter2/);
  });
});

test("the security versions of many users are raised in batches, each once", async () => {
  const url = await server.newDatabase();
  await using opened = await open(url);
  await server.query(
    url,
    `INSERT INTO curfew_users (id, email, password_hash, created_at)
     SELECT gen_random_uuid(), i || '@example.com', 'hash', 1 FROM generate_series(1, 25000) AS i`,
  );
  await opened.users.raiseAllSecurityVersions("ENDED_BY_OPERATOR");
  const counts = `SELECT security_version AS version, count(*)::integer AS users FROM curfew_users
    WHERE security_reason = 'ENDED_BY_OPERATOR' GROUP BY security_version`;
  expect(await server.query(url, counts)).toEqual([{ version: 1, users: 25_000 }]);
});

test("users and the directory survive a killed server", async () => {
  await using opened = await open(await server.newDatabase());
  const { users } = opened;
  const ada = await users.create("ada@example.com", "hash", 1);
  await server.kill();
  const asked = users.byEmail("ada@example.com");
  await expect(asked).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(asked).rejects.toHaveProperty("cause.message", expect.stringMatching(/./));
  await server.restart();
  expect(await users.byEmail("ada@example.com")).toEqual({ user: ada, passwordHash: "hash" });
});

test("a server that hangs is unavailable, and blocks neither the directory nor its close", async () => {
  await using proxy = await startProxy(server.port);
  const url = through(await server.newDatabase(), proxy.port);
  const users = await openPostgresUsers(url);
  const ids = Array.from({ length: 30 }, () => crypto.randomUUID());
  // More concurrent calls than connections.
  await Promise.all(ids.map((id) => users.byId(id)));
  proxy.stall();
  const asked = await Promise.allSettled(ids.map((id) => users.byId(id)));
  for (const one of asked) {
    expect(one).toMatchObject({ status: "rejected", reason: expect.any(StoreUnavailable) });
  }
  proxy.heal();
  expect(await users.byId("unknown")).toBeUndefined();
  proxy.stall();
  await users.close();
  await users.close();
});

test("the server cancels a statement that waits too long for a lock", async () => {
  const url = await server.newDatabase();
  await using opened = await open(url);
  const ada = await opened.users.create("ada@example.com", "hash", 1);
  if (ada === "taken") throw new Error("taken");
  const holding = server.query(url, "BEGIN; LOCK TABLE curfew_users; SELECT pg_sleep(600); COMMIT");
  holding.catch(() => {});
  const held = "FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
  await until(async () => (await server.query(url, `SELECT 1 ${held}`)).length > 0, "the lock");
  const locking = opened.users.setLocked(ada.id, true);
  await expect(locking).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(locking).rejects.toHaveProperty(
    "cause.message",
    "canceling statement due to statement timeout",
  );
  await server.query(url, `SELECT pg_cancel_backend(pid) ${held}`);
  await expect(holding).rejects.toThrow("canceling statement due to user request");
  expect(await opened.users.byId(ada.id)).toEqual(ada);
});

describe("a server with its users in PostgreSQL", () => {
  test("shares them with other nodes", async () => {
    const databaseUrl = await server.newDatabase();
    await using here = await startCurfew({ databaseUrl });
    await using there = await startCurfew({ databaseUrl });
    const email = newEmail();
    const { userId } = await register(here.url, email);
    expect(await login(there.url, email)).toMatchObject({ userId });
  });

  test("returns SERVICE_UNAVAILABLE while PostgreSQL is down, and ends nothing", async () => {
    await using proxy = await startProxy(server.port);
    const databaseUrl = through(await server.newDatabase(), proxy.port);
    await using curfew = await startCurfew({ databaseUrl });
    const email = newEmail();
    const { accessToken: token, renewalToken, sessionId } = await register(curfew.url, email);
    proxy.halfOpen();
    const operations = [
      `mutation { login(email: "${email}", password: "${password}") { __typename } }`,
      `mutation { login(email: "${newEmail()}", password: "${password}") { __typename } }`,
      `mutation { register(email: "${newEmail()}", password: "${password}") { __typename } }`,
      `mutation { renew(renewalToken: "${renewalToken}") { __typename } }`,
      `mutation { changePassword(currentPassword: "${password}", newPassword: "another ${password}") { __typename } }`,
      "{ viewer { user { email } } }",
    ];
    const answers = operations.map((operation) => ask(curfew.url, operation, { token }));
    for (const { errors } of await Promise.all(answers)) {
      expect(errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
    }
    const data = await askData(curfew.url, "{ viewer { session { id } } }", { token });
    expect(data.viewer.session.id).toBe(sessionId);
    proxy.heal();
    expect(await renew(curfew.url, renewalToken)).toMatchObject({ sessionId });
    expect(await login(curfew.url, email)).toBeDefined();
  });
});
