/** Opens the SQLite file that users and sessions of one machine share. */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * A folder or file that is missing is made, readable by its owner only.
 *
 * @param busyTimeout how long a write waits for another process (ms); the event loop waits with it
 */
export function openDatabase(file: string, busyTimeout: number): DatabaseSync {
  if (file !== ":memory:") makePrivate(file);
  const database = new DatabaseSync(file, {
    enableForeignKeyConstraints: true,
    timeout: busyTimeout,
  });
  // FULL: an acknowledged logout survives the loss of power too.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  return database;
}

/**
 * Whether another connection, of this process or another, wrote to the file since this was last asked.
 * It is a look at shared memory, of some microseconds.
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

/** Before SQLite opens it, since its side files take over the file's mode. */
function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, "a", 0o600));
  // Side files that are there already, of a copy for example, keep the mode that they have.
  for (const each of [file, `${file}-wal`, `${file}-shm`])
    if (existsSync(each)) chmodSync(each, 0o600);
}
