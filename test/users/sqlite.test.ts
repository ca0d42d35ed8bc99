/** Users in SQLite, beyond the contract. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
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
