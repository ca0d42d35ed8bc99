/** The user directory in PostgreSQL, which many nodes share. */
import { randomUUID } from "node:crypto";
import { Socket } from "node:net";
import { Client, Pool } from "pg";
import { StoreUnavailable } from "../session/store.ts";
import { toEndReason, type EndReason } from "../protocol/end-reasons.ts";
import type { User, UserDirectory } from "./directory.ts";
import { userLoader } from "./loader.ts";
import { migrate } from "./postgres-schema.ts";

/** Time-outs in milliseconds. */
export interface PostgresLimits {
  /** How long a query waits for a connection, new or from the pool. */
  readonly connectTimeout: number;
  /** Less than `answerTimeout`: the server cancels a statement before the client gives up on the server. */
  readonly statementTimeout: number;
  readonly answerTimeout: number;
  /** How long a start waits for the migrations of other nodes, and for its own on large tables. */
  readonly migrationTimeout: number;
  /** How long `close` waits for a server that does not respond. */
  readonly closeTimeout: number;
  /** Per node. */
  readonly maxConnections: number;
}

const example = "Example: DATABASE_URL=postgres://user:password@localhost:5432/curfew";

/** `character_not_in_repertoire`: PostgreSQL refuses text with a null character. */
const characterNotInRepertoire = "22021";

interface Row {
  readonly id: string;
  readonly email: string;
  readonly password_hash: string;
  /** A bigint, as text. */
  readonly created_at: string;
  readonly locked: boolean;
  /** Absent if no node of this version has started on the database. */
  readonly security_version?: number;
  readonly security_reason?: string | null;
}

/** Takes the reason as the parameter `$1`. */
const raise = "security_version = security_version + 1, security_reason = $1";

/** Users whose security versions one statement raises: far fewer than the time limit of a statement allows. */
const usersPerRaise = 10_000;

/** A parameter of a statement. */
type SqlValue = string | number | boolean | readonly string[];

export class PostgresUsers implements UserDirectory {
  readonly #pool: Pool;
  readonly #closeTimeout: number;
  readonly #sockets = new Set<Socket>();
  readonly #load = userLoader(async (ids) => {
    const rows = await this.#all("SELECT * FROM curfew_users WHERE id = ANY ($1)", ids);
    return rows.map(toUser);
  });
  #closed: Promise<void> | undefined;

  /** Connects at the first query. `open` also checks the connection. */
  constructor(url: string, limits: PostgresLimits) {
    const { statementTimeout, answerTimeout, maxConnections, closeTimeout } = limits;
    this.#closeTimeout = closeTimeout;
    this.#pool = new Pool({
      ...clientConfig(url, limits.connectTimeout, statementTimeout, answerTimeout),
      max: maxConnections,
      stream: () => this.#newSocket(),
    });
    // The pool replaces a connection that breaks while it is idle.
    this.#pool.on("error", () => {});
  }

  /**
   * Connects and applies missing migrations, once however many nodes start concurrently.
   *
   * @param url `postgres://user:password@host:port/database`
   * @throws Error that names the setting and the problem, without the password
   */
  static async open(url: string, limits: PostgresLimits): Promise<PostgresUsers> {
    const { connectTimeout, migrationTimeout, answerTimeout } = limits;
    const socket = new Socket();
    try {
      const client = new Client({
        ...clientConfig(url, connectTimeout, migrationTimeout, migrationTimeout + answerTimeout),
        stream: () => socket,
      });
      // If the connection breaks, pending queries reject.
      client.on("error", () => {});
      await client.connect();
      await migrate(client);
      await client.end();
    } catch (error) {
      socket.destroy();
      const reason = reasonOf(error);
      // oxlint-disable-next-line eslint/preserve-caught-error -- the error may contain the password
      throw new Error(`DATABASE_URL: PostgreSQL at ${hostOf(url)}: ${reason}. ${example}`);
    }
    return new PostgresUsers(url, limits);
  }

  async create(email: string, passwordHash: string, now: number): Promise<User | "taken"> {
    const row = await this.#get(
      `INSERT INTO curfew_users (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (email) DO NOTHING RETURNING *`,
      randomUUID(),
      email,
      passwordHash,
      now,
    );
    return row ? toUser(row) : "taken";
  }

  async byId(id: string): Promise<User | undefined> {
    // In a batch, an invalid id would fail the other reads as well.
    return id.includes("\0") ? undefined : this.#load(id);
  }

  async byEmail(email: string): Promise<{ user: User; passwordHash: string } | undefined> {
    const row = await this.#get("SELECT * FROM curfew_users WHERE email = $1", email);
    return row && { user: toUser(row), passwordHash: row.password_hash };
  }

  async passwordHash(id: string): Promise<string | undefined> {
    return (await this.#get("SELECT * FROM curfew_users WHERE id = $1", id))?.password_hash;
  }

  async replacePasswordHash(id: string, current: string, next: string): Promise<boolean> {
    const row = await this.#get(
      "UPDATE curfew_users SET password_hash = $1 WHERE id = $2 AND password_hash = $3 RETURNING *",
      next,
      id,
      current,
    );
    return row !== undefined;
  }

  async changePassword(id: string, current: string, next: string): Promise<number | undefined> {
    const row = await this.#get(
      `UPDATE curfew_users SET password_hash = $2, ${raise}
       WHERE id = $3 AND password_hash = $4 RETURNING *`,
      "PASSWORD_CHANGED" satisfies EndReason,
      next,
      id,
      current,
    );
    return row && toUser(row).securityVersion;
  }

  async raiseSecurityVersion(id: string, reason: EndReason): Promise<number | undefined> {
    const sql = `UPDATE curfew_users SET ${raise} WHERE id = $2 RETURNING *`;
    const row = await this.#get(sql, reason, id);
    return row && toUser(row).securityVersion;
  }

  /** In batches by id. It misses no user who exists when it begins. */
  async raiseAllSecurityVersions(reason: EndReason): Promise<void> {
    let last: string | undefined = "";
    while (last !== undefined) {
      const bounds = await this.#all(
        `WITH batch AS (SELECT id FROM curfew_users WHERE id > $2 ORDER BY id LIMIT ${usersPerRaise}),
         raised AS (UPDATE curfew_users SET ${raise} WHERE id IN (SELECT id FROM batch))
         SELECT max(id) AS id FROM batch HAVING count(*) > 0`,
        reason,
        last,
      );
      last = bounds[0]?.id;
    }
  }

  async setLocked(id: string, locked: boolean): Promise<void> {
    if (locked)
      await this.#get(
        `UPDATE curfew_users SET locked = true, ${raise} WHERE id = $2`,
        "USER_GONE" satisfies EndReason,
        id,
      );
    else await this.#get("UPDATE curfew_users SET locked = false WHERE id = $1", id);
  }

  async delete(id: string): Promise<void> {
    await this.#get("DELETE FROM curfew_users WHERE id = $1", id);
  }

  async ping(): Promise<void> {
    // A server in recovery is read-only as well. The subquery reads the table, and no row of it.
    const [state] = await this.#rows<{ readonly read_only: string }>(
      `SELECT current_setting('transaction_read_only') AS read_only
       FROM (SELECT count(*) FROM (SELECT 1 FROM curfew_users LIMIT 0) AS none) AS readable`,
    );
    if (state?.read_only !== "off") throw new StoreUnavailable("PostgreSQL is read-only");
  }

  /** Waits for queries in flight, but not for a server that does not respond. */
  async close(): Promise<void> {
    this.#closed ??= this.#end();
    await this.#closed;
  }

  async #end(): Promise<void> {
    const destroyAll = () => this.#sockets.forEach((socket) => socket.destroy());
    const timer = setTimeout(destroyAll, this.#closeTimeout);
    await this.#pool.end();
    clearTimeout(timer);
  }

  #newSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once("close", () => this.#sockets.delete(socket));
  }

  async #get(sql: string, ...values: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#all(sql, ...values))[0];
  }

  async #all(sql: string, ...values: readonly SqlValue[]): Promise<Row[]> {
    return this.#rows<Row>(sql, ...values);
  }

  /** The pool discards a connection after an error on it. */
  async #rows<T extends object>(sql: string, ...values: readonly SqlValue[]): Promise<T[]> {
    try {
      return (await this.#pool.query<T>(sql, [...values])).rows;
    } catch (cause) {
      // The client sent an id with that character: no user has one.
      if (cause instanceof Error && "code" in cause && cause.code === characterNotInRepertoire)
        return [];
      throw new StoreUnavailable("The users cannot be read or written", { cause });
    }
  }
}

/** Parameters of the URL override these. */
function clientConfig(
  connectionString: string,
  connect: number,
  statement: number,
  answer: number,
) {
  return {
    connectionString,
    connectionTimeoutMillis: connect,
    statement_timeout: statement,
    query_timeout: answer,
    keepAlive: true,
    fallback_application_name: "curfew",
  };
}

function hostOf(url: string): string {
  const { host = "", searchParams } = URL.parse(url) ?? {};
  return host || searchParams?.get("host") || "localhost";
}

/** If a host has several addresses, the error has no message and contains the error of each address. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

function toUser(row: Row) {
  const { id, email, created_at, locked, security_version: securityVersion = 0 } = row;
  const securityReason = toEndReason(row.security_reason);
  return {
    id,
    email,
    createdAt: Number(created_at),
    locked,
    securityVersion,
    ...(securityReason && { securityReason }),
  } satisfies User;
}
