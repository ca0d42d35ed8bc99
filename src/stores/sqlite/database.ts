/** Opens the SQLite file for the users and sessions of one machine. */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Opens the file. Creates a missing folder or file, readable by its owner only.
 *
 * @param busyTimeout how long a write waits for another process (ms); the event loop waits with it
 */
export function openDatabase(file: string, busyTimeout: number): DatabaseSync {
  if (file !== ":memory:") makePrivate(file);
  const database = new DatabaseSync(file, {
    enableForeignKeyConstraints: true,
    timeout: busyTimeout,
  });
  // FULL: an acknowledged logout survives a power failure.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  return database;
}

/**
 * Returns a function that reports whether another connection, of this process or another, has written to
 * the file since the last call. It reads shared memory, which takes a few microseconds.
 */
export function foreignWrites(database: DatabaseSync): () => boolean {
  const version = database.prepare("PRAGMA data_version");
  const read = () => version.get()?.["data_version"];
  let known = read();
  return () => {
    const before = known;
    known = read();
    return known !== before;
  };
}

/** Called before SQLite opens the file, because its side files inherit the file's mode. */
function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, "a", 0o600));
  // Existing side files, of a copy for example, keep their mode, so it is set here.
  for (const path of [file, `${file}-wal`, `${file}-shm`])
    if (existsSync(path)) chmodSync(path, 0o600);
}
