/** Sessions in a SQLite file: the store for one machine. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import {
  countForeignReplay,
  isLive,
  decideRenewal,
  reissueSession,
  rotateSession,
  type Lifetimes,
  type ReissueRequest,
  type RenewalRequest,
  type Session,
  type SessionExpiry,
} from "../../session/session.ts";
import {
  StoreUnavailable,
  type RenewalOutcome,
  type SessionLookup,
  type SessionStore,
} from "../../session/store.ts";

/** The columns are named after the fields of a session, so that a row is one. */
const columns = [
  "fingerprint",
  "userId",
  "generation",
  "createdAt",
  "renewedAt",
  "lastSeenAt",
  "accessExpiresAt",
  "idleExpiresAt",
  "absoluteExpiresAt",
  "graceEndsAt",
  "userAgent",
  "ipAddress",
  "minGeneration",
  "networks",
  "foreignReplays",
  "foreignReplayGeneration",
] as const satisfies readonly (keyof Session)[];

const schema = `
  CREATE TABLE IF NOT EXISTS sessions (
    fingerprint TEXT PRIMARY KEY,
    userId TEXT NOT NULL,
    generation INTEGER NOT NULL,
    createdAt INTEGER NOT NULL,
    renewedAt INTEGER NOT NULL,
    lastSeenAt INTEGER NOT NULL,
    accessExpiresAt INTEGER NOT NULL,
    idleExpiresAt INTEGER NOT NULL,
    absoluteExpiresAt INTEGER NOT NULL,
    graceEndsAt INTEGER NOT NULL,
    userAgent TEXT,
    ipAddress TEXT,
    minGeneration INTEGER NOT NULL DEFAULT 0,
    networks TEXT NOT NULL DEFAULT '',
    foreignReplays INTEGER NOT NULL DEFAULT 0,
    foreignReplayGeneration INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sessionsByUser ON sessions (userId);
  CREATE INDEX IF NOT EXISTS sessionsByIdleExpiry ON sessions (idleExpiresAt);
`;

/** Columns that files of earlier versions lack. */
const laterColumns = {
  minGeneration: "INTEGER NOT NULL DEFAULT 0",
  networks: "TEXT NOT NULL DEFAULT ''",
  foreignReplays: "INTEGER NOT NULL DEFAULT 0",
  foreignReplayGeneration: "INTEGER NOT NULL DEFAULT 0",
} as const satisfies Partial<Record<keyof Session, string>>;

export class SqliteSessions implements SessionStore {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #standing: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #write: StatementSync;
  readonly #touch: StatementSync;
  readonly #delete: StatementSync;
  readonly #prune: StatementSync;

  /** Makes the table where it is missing. The database stays its opener's, to share and to close. */
  constructor(database: DatabaseSync) {
    database.exec(schema);
    addMissingColumns(database);
    this.#database = database;
    this.#find = database.prepare("SELECT * FROM sessions WHERE fingerprint = ?");
    this.#standing = database.prepare(
      "SELECT accessExpiresAt, idleExpiresAt, minGeneration, networks FROM sessions WHERE fingerprint = ? AND idleExpiresAt > ?",
    );
    this.#ofUser = database.prepare(
      "SELECT * FROM sessions WHERE userId = ? AND idleExpiresAt > ? ORDER BY createdAt DESC",
    );
    this.#write = database.prepare(`REPLACE INTO sessions (${columns.join(", ")})
      VALUES (${columns.map((column) => `:${column}`).join(", ")})`);
    this.#touch = database.prepare(
      "UPDATE sessions SET lastSeenAt = :now WHERE fingerprint = :fingerprint AND idleExpiresAt > :now",
    );
    this.#delete = database.prepare("DELETE FROM sessions WHERE fingerprint = ? RETURNING *");
    // A bounded number at once: no login waits for all that has expired in a quiet month.
    this.#prune = database.prepare(`DELETE FROM sessions WHERE fingerprint IN (
      SELECT fingerprint FROM sessions WHERE idleExpiresAt <= ? LIMIT 1000)`);
  }

  async create(session: Session): Promise<void> {
    this.#atomically(() => {
      this.#prune.run(session.createdAt);
      this.#write.run({ ...session });
    });
  }

  async read(fingerprint: string, now: number): Promise<Session | undefined> {
    return this.#ask(() => this.#live(fingerprint, now));
  }

  async readMany(fingerprints: readonly string[], now: number) {
    return this.#ask(() =>
      fingerprints.map((fingerprint): SessionLookup => {
        const row = this.#standing.get(fingerprint, now);
        return row ? { state: "live", standing: toStanding(row) } : { state: "absent" };
      }),
    );
  }

  async renew(fingerprint: string, request: RenewalRequest, lifetimes: Lifetimes, now: number) {
    return this.#atomically((): RenewalOutcome => {
      const session = this.#live(fingerprint, now);
      if (session === undefined) return { outcome: "absent" };
      switch (decideRenewal(session, request, now)) {
        case "step": {
          const stepped = rotateSession(session, request, lifetimes, now);
          this.#write.run({ ...stepped });
          return { outcome: "stepped", session: stepped };
        }
        case "converge":
          return { outcome: "converged", session };
        case "convergeForeign": {
          const counted = countForeignReplay(session);
          this.#write.run({ ...counted });
          return { outcome: "convergedForeign", session: counted };
        }
        case "reuse":
          return { outcome: "reused", session };
        case "superseded":
          return { outcome: "superseded", session };
      }
    });
  }

  async reissue(fingerprint: string, request: ReissueRequest, lifetimes: Lifetimes, now: number) {
    return this.#atomically((): Session | undefined => {
      const session = this.#live(fingerprint, now);
      if (session === undefined) return undefined;
      const reissued = reissueSession(session, request, lifetimes, now);
      this.#write.run({ ...reissued });
      return reissued;
    });
  }

  async touch(fingerprint: string, now: number): Promise<void> {
    this.#ask(() => this.#touch.run({ fingerprint, now }));
  }

  async end(fingerprint: string, now: number): Promise<Session | undefined> {
    // `all`, not `get`: it runs to the end, and so tells when the commit fails.
    const [session] = this.#ask(() => this.#delete.all(fingerprint)).map(toSession);
    return session && isLive(session, now) ? session : undefined;
  }

  async listByUser(userId: string, now: number): Promise<readonly Session[]> {
    return this.#ask(() => this.#ofUser.all(userId, now)).map(toSession);
  }

  async ping(): Promise<void> {
    this.#ask(() => this.#find.get(""));
  }

  async close(): Promise<void> {}

  #live(fingerprint: string, now: number): Session | undefined {
    const row = this.#find.get(fingerprint);
    const session = row && toSession(row);
    return session && isLive(session, now) ? session : undefined;
  }

  /** IMMEDIATE takes the write lock before the read, so that no other process comes in between. */
  #atomically<T>(change: () => T): T {
    return this.#ask(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = change();
        this.#database.exec("COMMIT");
        return result;
      } finally {
        // SQLite rolls back by itself after some faults, and then refuses to do so again.
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      }
    });
  }

  #ask<T>(question: () => T): T {
    try {
      return question();
    } catch (cause) {
      throw new StoreUnavailable("SQLite did not do it", { cause });
    }
  }
}

/** The table is STRICT, so the columns hold what it says. The copy gives the row a prototype. */
function toSession(row: Record<string, SQLOutputValue>): Session {
  return { ...row } as unknown as Session;
}

function toStanding(row: Record<string, SQLOutputValue>): SessionExpiry {
  return { ...row } as unknown as SessionExpiry;
}

/** The schema's statement does nothing where the table is there already. */
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
