/** The session store in a SQLite file, for the processes of one machine. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import {
  countForeignReplay,
  decideRenewal,
  reissueSession,
  rotateSession,
  type ReissueRequest,
  type RenewalRequest,
} from "../../session/renewal-rules.ts";
import { checkWritable, noteWriteFailure } from "../../lib/write-failures.ts";
import { isLive, type Lifetimes, type Session, type SessionExpiry } from "../../session/session.ts";
import {
  StoreUnavailable,
  type RenewalOutcome,
  type SessionLookup,
  type SessionStore,
} from "../../session/store.ts";

/** The columns of the first version. They are named after the fields of a session, so that a row is one. */
const firstColumns = {
  fingerprint: "TEXT PRIMARY KEY",
  userId: "TEXT NOT NULL",
  generation: "INTEGER NOT NULL",
  createdAt: "INTEGER NOT NULL",
  renewedAt: "INTEGER NOT NULL",
  lastSeenAt: "INTEGER NOT NULL",
  accessExpiresAt: "INTEGER NOT NULL",
  idleExpiresAt: "INTEGER NOT NULL",
  absoluteExpiresAt: "INTEGER NOT NULL",
  graceEndsAt: "INTEGER NOT NULL",
  userAgent: "TEXT",
  ipAddress: "TEXT",
} as const satisfies Partial<Record<keyof Session, string>>;

/** Columns of later versions, which are added to older files. A new field of a session belongs here. */
const laterColumns = {
  minGeneration: "INTEGER NOT NULL DEFAULT 0",
  networks: "TEXT NOT NULL DEFAULT ''",
  foreignReplays: "INTEGER NOT NULL DEFAULT 0",
  foreignReplayGeneration: "INTEGER NOT NULL DEFAULT 0",
  securityVersion: "INTEGER NOT NULL DEFAULT 0",
} as const satisfies Partial<Record<keyof Session, `${string} DEFAULT ${string}`>>;

const columns = { ...firstColumns, ...laterColumns } satisfies Record<keyof Session, string>;
const columnNames = Object.keys(columns);

const schema = `
  CREATE TABLE IF NOT EXISTS sessions (
    ${Object.entries(columns)
      .map(([name, type]) => `${name} ${type}`)
      .join(",\n    ")}
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sessionsByUser ON sessions (userId);
  CREATE INDEX IF NOT EXISTS sessionsByIdleExpiry ON sessions (idleExpiresAt);
`;

export class SqliteSessions implements SessionStore {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #findExpiry: StatementSync;
  readonly #listByUser: StatementSync;
  readonly #write: StatementSync;
  readonly #touch: StatementSync;
  readonly #delete: StatementSync;
  readonly #prune: StatementSync;
  readonly #page: StatementSync;

  /** Creates the table if it is missing. The caller owns the database: it may share it, and it closes it. */
  constructor(database: DatabaseSync) {
    database.exec(schema);
    addMissingColumns(database);
    this.#database = database;
    this.#find = database.prepare("SELECT * FROM sessions WHERE fingerprint = ?");
    this.#findExpiry = database.prepare(
      "SELECT accessExpiresAt, idleExpiresAt, minGeneration, networks FROM sessions WHERE fingerprint = ? AND idleExpiresAt > ?",
    );
    this.#listByUser = database.prepare(
      "SELECT * FROM sessions WHERE userId = ? AND idleExpiresAt > ? ORDER BY createdAt DESC",
    );
    this.#write = database.prepare(`REPLACE INTO sessions (${columnNames.join(", ")})
      VALUES (${columnNames.map((column) => `:${column}`).join(", ")})`);
    this.#touch = database.prepare(
      "UPDATE sessions SET lastSeenAt = :now WHERE fingerprint = :fingerprint AND idleExpiresAt > :now",
    );
    this.#delete = database.prepare("DELETE FROM sessions WHERE fingerprint = ? RETURNING *");
    // At most 1000: a login must not wait while all sessions that expired in a quiet month are deleted.
    this.#prune = database.prepare(`DELETE FROM sessions WHERE fingerprint IN (
      SELECT fingerprint FROM sessions WHERE idleExpiresAt <= ? LIMIT 1000)`);
    this.#page = database.prepare(
      "SELECT fingerprint FROM sessions WHERE fingerprint > ? ORDER BY fingerprint LIMIT 1000",
    );
  }

  async create(session: Session): Promise<void> {
    this.#transaction(() => {
      this.#prune.run(session.createdAt);
      this.#write.run({ ...session });
    });
  }

  async read(fingerprint: string, now: number): Promise<Session | undefined> {
    return this.#run(() => this.#live(fingerprint, now));
  }

  async readMany(fingerprints: readonly string[], now: number) {
    return this.#run(() =>
      fingerprints.map((fingerprint): SessionLookup => {
        const row = this.#findExpiry.get(fingerprint, now);
        return row ? { state: "live", standing: toExpiry(row) } : { state: "absent" };
      }),
    );
  }

  async renew(fingerprint: string, request: RenewalRequest, lifetimes: Lifetimes, now: number) {
    return this.#transaction((): RenewalOutcome => {
      const session = this.#live(fingerprint, now);
      if (session === undefined) return { outcome: "absent" };
      switch (decideRenewal(session, request, now)) {
        case "rotate": {
          const rotated = rotateSession(session, request, lifetimes, now);
          this.#write.run({ ...rotated });
          return { outcome: "rotated", session: rotated };
        }
        case "replay":
          return { outcome: "replayed", session };
        case "foreignReplay": {
          const counted = countForeignReplay(session);
          this.#write.run({ ...counted });
          return { outcome: "foreignReplay", session: counted };
        }
        case "reuse":
          return { outcome: "reused", session };
        case "superseded":
          return { outcome: "superseded", session };
      }
    });
  }

  async reissue(fingerprint: string, request: ReissueRequest, lifetimes: Lifetimes, now: number) {
    return this.#transaction((): Session | undefined => {
      const session = this.#live(fingerprint, now);
      if (session === undefined) return undefined;
      const reissued = reissueSession(session, request, lifetimes, now);
      this.#write.run({ ...reissued });
      return reissued;
    });
  }

  async touch(fingerprint: string, now: number): Promise<void> {
    this.#run(() => this.#touch.run({ fingerprint, now }));
  }

  async end(fingerprint: string, now: number): Promise<Session | undefined> {
    // `all`, not `get`: it runs the statement to its end, and so throws if the commit fails.
    const [session] = this.#run(() => this.#delete.all(fingerprint)).map(rowToSession);
    return session && isLive(session, now) ? session : undefined;
  }

  async listByUser(userId: string, now: number): Promise<readonly Session[]> {
    return this.#run(() => this.#listByUser.all(userId, now)).map(rowToSession);
  }

  async *scan(): AsyncGenerator<readonly string[]> {
    let last: string | undefined = "";
    while (last !== undefined) {
      const from: string = last;
      const rows = this.#run(() => this.#page.all(from));
      const page = rows.map(({ fingerprint }) => String(fingerprint));
      if (page.length > 0) yield page;
      last = page.at(-1);
    }
  }

  async ping(): Promise<void> {
    this.#run(() => {
      checkWritable(this.#database);
      this.#find.get("");
    });
  }

  async close(): Promise<void> {}

  #live(fingerprint: string, now: number): Session | undefined {
    const row = this.#find.get(fingerprint);
    const session = row && rowToSession(row);
    return session && isLive(session, now) ? session : undefined;
  }

  /** IMMEDIATE takes the write lock before the read, so that no other process writes in between. */
  #transaction<T>(change: () => T): T {
    return this.#run(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = change();
        this.#database.exec("COMMIT");
        return result;
      } finally {
        // After some errors SQLite has rolled back already, and a second ROLLBACK would throw.
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      }
    });
  }

  #run<T>(statement: () => T): T {
    try {
      return statement();
    } catch (cause) {
      noteWriteFailure(this.#database, cause);
      throw new StoreUnavailable("SQLite did not execute a statement", { cause });
    }
  }
}

/** The table is STRICT, so the columns have the declared types. The copy gives the row a prototype. */
function rowToSession(row: Record<string, SQLOutputValue>): Session {
  return { ...row } as unknown as Session;
}

function toExpiry(row: Record<string, SQLOutputValue>): SessionExpiry {
  return { ...row } as unknown as SessionExpiry;
}

/** The schema's CREATE TABLE does not change an existing table. */
function addMissingColumns(database: DatabaseSync): void {
  const present = new Set(
    database
      .prepare("PRAGMA table_info(sessions)")
      .all()
      .map(({ name }) => name),
  );
  for (const [column, type] of Object.entries(laterColumns))
    if (!present.has(column)) database.exec(`ALTER TABLE sessions ADD COLUMN ${column} ${type}`);
}
