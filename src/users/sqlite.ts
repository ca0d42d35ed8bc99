/** The user directory in a SQLite file, for the processes of one machine. */
import { randomUUID } from "node:crypto";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { checkWritable, noteWriteFailure } from "../lib/write-failures.ts";
import { StoreUnavailable } from "../session/store.ts";
import { toEndReason, type EndReason } from "../protocol/end-reasons.ts";
import type { User, UserDirectory } from "./directory.ts";
import { userLoader } from "./loader.ts";

/** Columns of later versions, which are added to older files. */
const laterColumns = {
  security_version: "INTEGER NOT NULL DEFAULT 0",
  security_reason: "TEXT",
} as const;

const createTable = `CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  locked INTEGER NOT NULL DEFAULT 0,
  ${Object.entries(laterColumns)
    .map((column) => column.join(" "))
    .join(",\n  ")}
) STRICT`;

/** Takes the reason as its parameter. */
const raise = "security_version = security_version + 1, security_reason = ?";

type Row = Record<string, SQLOutputValue>;

export class SqliteUsers implements UserDirectory {
  readonly #database: DatabaseSync;
  /** Prepared statements by their SQL. */
  readonly #statements = new Map<string, StatementSync>();

  readonly #load = userLoader(async (ids) => this.#byIds(ids));

  /** Creates the table if it is missing. The caller owns the database: it may share it, and it closes it. */
  constructor(database: DatabaseSync) {
    database.exec(createTable);
    addMissingColumns(database);
    this.#database = database;
  }

  async create(email: string, passwordHash: string, now: number): Promise<User | "taken"> {
    const row = this.#get(
      `INSERT INTO users (id, email, password_hash, created_at) VALUES (?, ?, ?, ?)
       ON CONFLICT (email) DO NOTHING RETURNING *`,
      randomUUID(),
      email,
      passwordHash,
      now,
    );
    return row ? toUser(row) : "taken";
  }

  async byId(id: string): Promise<User | undefined> {
    return this.#load(id);
  }

  async byEmail(email: string): Promise<{ user: User; passwordHash: string } | undefined> {
    const row = this.#get("SELECT * FROM users WHERE email = ?", email);
    return row && { user: toUser(row), passwordHash: String(row["password_hash"]) };
  }

  async passwordHash(id: string): Promise<string | undefined> {
    const row = this.#get("SELECT password_hash FROM users WHERE id = ?", id);
    return row && String(row["password_hash"]);
  }

  async replacePasswordHash(id: string, current: string, next: string): Promise<boolean> {
    const row = this.#get(
      "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ? RETURNING id",
      next,
      id,
      current,
    );
    return row !== undefined;
  }

  async changePassword(id: string, current: string, next: string): Promise<number | undefined> {
    const row = this.#get(
      `UPDATE users SET password_hash = ?, ${raise} WHERE id = ? AND password_hash = ? RETURNING *`,
      next,
      "PASSWORD_CHANGED" satisfies EndReason,
      id,
      current,
    );
    return row && toUser(row).securityVersion;
  }

  async raiseSecurityVersion(id: string, reason: EndReason): Promise<number | undefined> {
    const row = this.#get(`UPDATE users SET ${raise} WHERE id = ? RETURNING *`, reason, id);
    return row && toUser(row).securityVersion;
  }

  async raiseAllSecurityVersions(reason: EndReason): Promise<void> {
    this.#get(`UPDATE users SET ${raise}`, reason);
  }

  async setLocked(id: string, locked: boolean): Promise<void> {
    if (locked)
      this.#get(
        `UPDATE users SET locked = 1, ${raise} WHERE id = ?`,
        "USER_GONE" satisfies EndReason,
        id,
      );
    else this.#get("UPDATE users SET locked = 0 WHERE id = ?", id);
  }

  async delete(id: string): Promise<void> {
    this.#get("DELETE FROM users WHERE id = ?", id);
  }

  async ping(): Promise<void> {
    this.#run("SELECT * FROM users LIMIT 0", (statement) => {
      checkWritable(this.#database);
      statement.get();
    });
  }

  async close(): Promise<void> {}

  /** One statement reads the file once for all ids. */
  #byIds(ids: readonly string[]): User[] {
    const sql = "SELECT users.* FROM json_each(?) JOIN users ON users.id = json_each.value";
    return this.#run(sql, (statement) => statement.all(JSON.stringify(ids))).map(toUser);
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#run(sql, (statement) => statement.get(...values));
  }

  #run<T>(sql: string, work: (statement: StatementSync) => T): T {
    try {
      return work(this.#prepared(sql));
    } catch (cause) {
      noteWriteFailure(this.#database, cause);
      throw new StoreUnavailable("The users cannot be read or written", { cause });
    }
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function toUser(row: Row) {
  const securityReason = toEndReason(row["security_reason"]);
  return {
    id: String(row["id"]),
    email: String(row["email"]),
    createdAt: Number(row["created_at"]),
    locked: row["locked"] === 1,
    securityVersion: Number(row["security_version"]),
    ...(securityReason && { securityReason }),
  } satisfies User;
}

/** The `CREATE TABLE` does not change an existing table. */
function addMissingColumns(database: DatabaseSync): void {
  const columns = database.prepare("PRAGMA table_info(users)").all();
  const present = new Set(columns.map(({ name }) => name));
  for (const [column, type] of Object.entries(laterColumns))
    if (!present.has(column)) database.exec(`ALTER TABLE users ADD COLUMN ${column} ${type}`);
}
