/** Sessions in SQLite: the contract, the file and its faults. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { foreignWrites } from "../../src/stores/sqlite/database.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { SqliteUsers } from "../../src/users/sqlite.ts";
import { sessionStoreContract } from "../../src/testing/session-store.ts";
import { openDatabase } from "../helpers/adapters.ts";
import { lifetimes, network, newSession, renewIn, start } from "../helpers/sessions.ts";

sessionStoreContract("SQLite", async () => {
  const database = openDatabase(":memory:");
  const store = new SqliteSessions(database);
  return { store, dispose: async () => database.close() };
});

describe("a SQLite file", () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "curfew-sqlite-"));
    file = join(folder, "data", "curfew.db");
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("reports a write of another connection once, and neither its reads nor this connection's writes", async () => {
    using database = openDatabase(file);
    using other = openDatabase(file);
    const [store, stranger] = [new SqliteSessions(database), new SqliteSessions(other)];
    const changed = foreignWrites(database);
    const session = newSession();
    await store.create(session);
    await stranger.read(session.fingerprint, start);
    expect(changed()).toBe(false);
    await stranger.end(session.fingerprint, start);
    expect([changed(), changed()]).toEqual([true, false]);
  });

  test("without room for a write is not ready until there is room again", async () => {
    using database = openDatabase(file);
    const store = new SqliteSessions(database);
    const users = new SqliteUsers(database);
    await store.create(newSession());
    const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
    database.exec(`PRAGMA max_page_count = ${pages}`);
    await expect(store.ping()).resolves.toBeUndefined();
    const fill = async () => {
      for (let i = 0; i < 1_000; i += 1) await store.create(newSession());
    };
    await expect(fill()).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(users.ping()).rejects.toBeInstanceOf(StoreUnavailable);
    expect(database.isTransaction).toBe(false);
    database.exec("PRAGMA max_page_count = 1000000");
    await expect(store.ping()).resolves.toBeUndefined();
    await expect(users.ping()).resolves.toBeUndefined();
  });

  test("preserves sessions and their ends across a restart", async () => {
    const [kept, ended] = [newSession(), newSession()];
    {
      using database = openDatabase(file);
      const store = new SqliteSessions(database);
      await store.create(kept);
      await store.create(ended);
      await store.end(ended.fingerprint, start);
    }
    using database = openDatabase(file);
    const store = new SqliteSessions(database);
    expect(await store.read(kept.fingerprint, start)).toEqual(kept);
    expect(await store.read(ended.fingerprint, start)).toBeUndefined();
    expect(await store.read(kept.fingerprint, kept.idleExpiresAt)).toBeUndefined();
    expect(await store.listByUser(kept.userId, kept.idleExpiresAt)).toEqual([]);
  });

  test("and its folder are readable only by their owner", async () => {
    using database = openDatabase(file);
    await new SqliteSessions(database).create(newSession());
    const modes = [join(folder, "data"), file, `${file}-wal`].map(
      async (path) => (await stat(path)).mode & 0o777,
    );
    expect(await Promise.all(modes)).toEqual([0o700, 0o600, 0o600]);
  });

  test("is synced to disk at each commit", () => {
    using database = openDatabase(file);
    expect(database.prepare("PRAGMA journal_mode").get()).toMatchObject({ journal_mode: "wal" });
    expect(database.prepare("PRAGMA synchronous").get()).toMatchObject({ synchronous: 2 });
    expect(database.prepare("PRAGMA foreign_keys").get()).toMatchObject({ foreign_keys: 1 });
  });

  test("is rotated once by concurrent renewals through two connections", async () => {
    using one = openDatabase(file);
    using two = openDatabase(file);
    const stores = [new SqliteSessions(one), new SqliteSessions(two)];
    const { fingerprint, ...session } = newSession();
    await stores[0]?.create({ fingerprint, ...session });
    const outcomes = await Promise.all(
      stores.map((store) => renewIn(store, fingerprint, 0, start)),
    );
    expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(["replayed", "rotated"]);
  });

  test("loses expired rows at the next login", async () => {
    using database = openDatabase(file);
    const store = new SqliteSessions(database);
    const expired = newSession();
    await store.create(expired);
    await store.create(newSession(undefined, expired.idleExpiresAt));
    expect(database.prepare("SELECT count(*) AS rows FROM sessions").get()).toEqual({ rows: 1 });
  });

  test("that another process has locked is unavailable until it is unlocked", async () => {
    using other = openDatabase(file);
    using database = openDatabase(file);
    database.exec("PRAGMA busy_timeout = 10");
    const store = new SqliteSessions(database);
    const session = newSession();
    other.exec("BEGIN IMMEDIATE");
    await expect(store.create(session)).rejects.toMatchObject({
      name: "StoreUnavailable",
      cause: { message: expect.stringContaining("locked") as unknown },
    });
    other.exec("ROLLBACK");
    await store.create(session);
    expect(await store.read(session.fingerprint, start)).toEqual(session);
  });

  test("that is full is unavailable and keeps its sessions", async () => {
    using database = openDatabase(file);
    const store = new SqliteSessions(database);
    const session = newSession();
    await store.create(session);
    database.exec("PRAGMA max_page_count = 1");
    const crowd = Array.from({ length: 100 }, () => store.create(newSession()));
    const failure = (await Promise.allSettled(crowd)).find((one) => one.status === "rejected");
    expect(failure?.reason).toBeInstanceOf(StoreUnavailable);
    expect(await store.read(session.fingerprint, start)).toEqual(session);
    expect(await store.end(session.fingerprint, start)).toEqual(session);
  });

  test("that is closed makes every method reject with StoreUnavailable", async () => {
    const database = openDatabase(file);
    const store = new SqliteSessions(database);
    database.close();
    const answers = [
      store.create(newSession()),
      store.read("f", start),
      store.readMany(["f"], start),
      store.renew("f", { generation: 0, generationAtRead: 0, network }, lifetimes, start),
      store.touch("f", start),
      store.end("f", start),
      store.listByUser("u", start),
      store.ping(),
    ];
    for (const answer of await Promise.allSettled(answers)) {
      expect(answer).toMatchObject({ status: "rejected", reason: { name: "StoreUnavailable" } });
    }
  });
});
