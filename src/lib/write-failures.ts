/** Remembers that SQLite could not write, for example because the disk is full, until it can write again. */
import type { DatabaseSync } from "node:sqlite";

/** SQLite's result codes: read-only, input/output error, damaged file, full disk, file not opened. */
const failures = new Set([8, 10, 11, 13, 14]);

const failed = new WeakSet<DatabaseSync>();

/** @param error what a statement threw */
export function noteWriteFailure(database: DatabaseSync, error: unknown): void {
  const { errcode } = Object(error) as { errcode?: unknown };
  // The higher bits of a result code say more about it.
  if (typeof errcode === "number" && failures.has(errcode & 0xff)) failed.add(database);
}

/**
 * Writes to the database if a write has failed before, to see whether that succeeds by now. Otherwise does nothing.
 *
 * @throws SQLite's error
 */
export function checkWritable(database: DatabaseSync): void {
  if (!failed.has(database)) return;
  try {
    database.exec("BEGIN IMMEDIATE");
    // Allocates a page, which fails on a full disk, and frees it.
    database.exec("CREATE TABLE curfew_write_trial (x); DROP TABLE curfew_write_trial; COMMIT");
    failed.delete(database);
  } finally {
    if (database.isTransaction) database.exec("ROLLBACK");
  }
}
