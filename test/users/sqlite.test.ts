/** Users in SQLite, beyond the contract. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import type { User } from "../../src/users/directory.ts";
import { SqliteUsers } from "../../src/users/sqlite.ts";
import { userDirectoryContract } from "../../src/testing/user-directory.ts";

userDirectoryContract("SQLite", async () => new SqliteUsers(new DatabaseSync(":memory:")));

test("users survive a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "curfew-"));
  try {
    const file = join(folder, "curfew.db");
    const before = new DatabaseSync(file);
    const ada = await new SqliteUsers(before).create("ada@example.com", "hash", 1);
    before.close();
    const after = new DatabaseSync(file);
    const found = await new SqliteUsers(after).byEmail("ada@example.com");
    after.close();
    expect(found).toEqual({ user: ada, passwordHash: "hash" });
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** The table and the statements of the previous version, which knew no security versions. */
const previous = {
  table: `CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL, locked INTEGER NOT NULL DEFAULT 0) STRICT`,
  insert: `INSERT INTO users (id, email, password_hash, created_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (email) DO NOTHING RETURNING *`,
  lock: "UPDATE users SET locked = ? WHERE id = ?",
};

test("a file of the previous version gets the security version, and its statements still work", async () => {
  const database = new DatabaseSync(":memory:");
  database.exec(previous.table);
  database.prepare(previous.insert).get("1", "ada@example.com", "hash", 1);
  const users = new SqliteUsers(database);
  database.prepare(previous.insert).get("2", "bob@example.com", "hash", 1);
  for (const id of ["1", "2"]) expect(await users.byId(id)).toMatchObject({ securityVersion: 0 });
  expect(await users.changePassword("1", "hash", "next")).toBe(1);
  database.prepare(previous.lock).run(1, "1");
  expect(await users.byId("1")).toMatchObject({ locked: true, securityVersion: 1 });
  expect(await new SqliteUsers(database).byId("1")).toEqual(await users.byId("1"));
});

test("a reason of a later version reads as unknown", async () => {
  const database = new DatabaseSync(":memory:");
  const users = new SqliteUsers(database);
  const { id } = (await users.create("ada@example.com", "hash", 1)) as User;
  await users.raiseSecurityVersion(id, "ENDED_BY_OPERATOR");
  database.exec("UPDATE users SET security_reason = 'OF_A_LATER_VERSION'");
  const ada = await users.byId(id);
  expect(ada?.securityVersion).toBe(1);
  expect(ada).not.toHaveProperty("securityReason");
});

test("a closed database is unavailable, with the reason", async () => {
  const database = new DatabaseSync(":memory:");
  const users = new SqliteUsers(database);
  database.close();
  const asked = users.byEmail("ada@example.com");
  await expect(asked).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(asked).rejects.toHaveProperty("cause.message", "database is not open");
});

test("an id is not cut off at a null character", async () => {
  const users = new SqliteUsers(new DatabaseSync(":memory:"));
  const ada = await users.create("ada@example.com", "hash", 1);
  const id = ada === "taken" ? ada : ada.id;
  expect(await users.byId(id)).toEqual(ada);
  expect(await users.byId(`${id}\0`)).toBeUndefined();
});

test("closing the directory leaves the caller's database open", async () => {
  const database = new DatabaseSync(":memory:");
  await new SqliteUsers(database).close();
  expect(database.isOpen).toBe(true);
  database.close();
});
