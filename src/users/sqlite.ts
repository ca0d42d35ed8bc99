/** The user directory in a SQLite file, for the processes of one machine. */
import { randomUUID } from "node:crypto";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { checkWritable, noteWriteFailure } from "../lib/write-failures.ts";
import { StoreUnavailable } from "../session/store.ts";
import type { User, UserDirectory } from "./directory.ts";
import { userLoader } from "./loader.ts";

const createTable = `CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  locked INTEGER NOT NULL DEFAULT 0
) STRICT`;

type Row = Record<string, SQLOutputValue>;

export class SqliteUsers implements UserDirectory {
  readonly #database: DatabaseSync;
  /** Prepared statements by their SQL. */
  readonly #statements = new Map<string, StatementSync>();

  readonly #load = userLoader(async (ids) => this.#byIds(ids));

  /** Creates the table if it is missing. The caller owns the database: it may share it, and it closes it. */
  constructor(database: DatabaseSync) {
    database.exec(createTable);
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

  async setLocked(id: string, locked: boolean): Promise<void> {
    this.#get("UPDATE users SET locked = ? WHERE id = ?", Number(locked), id);
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

function toUser(row: Row): User {
  return {
    id: String(row["id"]),
    email: String(row["email"]),
    createdAt: Number(row["created_at"]),
    locked: row["locked"] === 1,
  };
}
