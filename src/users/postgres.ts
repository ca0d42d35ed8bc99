/** Users in PostgreSQL: the directory that many machines share. */
import { randomUUID } from "node:crypto";
import { Socket } from "node:net";
import { Client, Pool } from "pg";
import { StoreUnavailable } from "../session/store.ts";
import type { User, UserDirectory } from "./directory.ts";
import { userLoader } from "./loader.ts";
import { migrate } from "./postgres-schema.ts";

/** The time-outs are in milliseconds. */
export interface PostgresLimits {
  /** How long a query waits for a connection: a new one, or one of the pool. */
  readonly connectTimeout: number;
  /** Less than `answerTimeout`: the server gives up on a statement before the client gives up on the server. */
  readonly statementTimeout: number;
  readonly answerTimeout: number;
  /** A start waits for those that came first, and for what they change in a large table. */
  readonly migrationTimeout: number;
  /** How long `close` waits for a server that hangs. */
  readonly closeTimeout: number;
  /** Per node. */
  readonly maxConnections: number;
}

const example = "Example: DATABASE_URL=postgres://user:password@localhost:5432/curfew";

/** `character_not_in_repertoire`: PostgreSQL keeps no text with a null character in it. */
const unspeakable = "22021";

interface Row {
  readonly id: string;
  readonly email: string;
  readonly password_hash: string;
  /** A bigint, as text. */
  readonly created_at: string;
  readonly locked: boolean;
}

/** What a statement is given. */
type Value = string | number | boolean | readonly string[];

export class PostgresUsers implements UserDirectory {
  readonly #pool: Pool;
  readonly #closeTimeout: number;
  readonly #sockets = new Set<Socket>();
  readonly #load = userLoader(async (ids) => {
    const rows = await this.#all("SELECT * FROM curfew_users WHERE id = ANY ($1)", ids);
    return rows.map(toUser);
  });
  #closed: Promise<void> | undefined;

  /** Connects when it is first asked something; `open` has also looked whether it can. */
  constructor(url: string, limits: PostgresLimits) {
    const { statementTimeout, answerTimeout, maxConnections, closeTimeout } = limits;
    this.#closeTimeout = closeTimeout;
    this.#pool = new Pool({
      ...settings(url, limits.connectTimeout, statementTimeout, answerTimeout),
      max: maxConnections,
      stream: () => this.#newSocket(),
    });
    // What breaks while nobody uses it is replaced when somebody does.
    this.#pool.on("error", () => {});
  }

  /**
   * Brings the tables up to date, once however many nodes start at a time.
   *
   * @param url `postgres://user:password@host:port/database`
   * @throws Error naming the setting and what is wrong with it; no password is in its message
   */
  static async open(url: string, limits: PostgresLimits): Promise<PostgresUsers> {
    const { connectTimeout, migrationTimeout, answerTimeout } = limits;
    const socket = new Socket();
    try {
      const client = new Client({
        ...settings(url, connectTimeout, migrationTimeout, migrationTimeout + answerTimeout),
        stream: () => socket,
      });
      // When it breaks, whoever waits for an answer is told.
      client.on("error", () => {});
      await client.connect();
      await migrate(client);
      await client.end();
    } catch (error) {
      socket.destroy();
      const reason = reasonOf(error);
      // oxlint-disable-next-line eslint/preserve-caught-error -- what it holds besides may be the password
      throw new Error(`DATABASE_URL: PostgreSQL at ${placeOf(url)}: ${reason}. ${example}`);
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
    // Asked for together with others, it would leave them without an answer.
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

  async setLocked(id: string, locked: boolean): Promise<void> {
    await this.#get("UPDATE curfew_users SET locked = $1 WHERE id = $2", locked, id);
  }

  async delete(id: string): Promise<void> {
    await this.#get("DELETE FROM curfew_users WHERE id = $1", id);
  }

  async ping(): Promise<void> {
    await this.#get("SELECT * FROM curfew_users LIMIT 0");
  }

  /** Waits for what is under way, but not for a server that hangs. */
  async close(): Promise<void> {
    this.#closed ??= this.#end();
    await this.#closed;
  }

  async #end(): Promise<void> {
    const hangUp = () => this.#sockets.forEach((socket) => socket.destroy());
    const timer = setTimeout(hangUp, this.#closeTimeout);
    await this.#pool.end();
    clearTimeout(timer);
  }

  #newSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once("close", () => this.#sockets.delete(socket));
  }

  async #get(sql: string, ...values: readonly Value[]): Promise<Row | undefined> {
    return (await this.#all(sql, ...values))[0];
  }

  /** The pool drops a connection on which anything failed. */
  async #all(sql: string, ...values: readonly Value[]): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>(sql, [...values])).rows;
    } catch (cause) {
      // It was in an id that somebody made up: there is none like it.
      if (cause instanceof Error && "code" in cause && cause.code === unspeakable) return [];
      throw new StoreUnavailable("The users cannot be read or written", { cause });
    }
  }
}

/** What the URL says of the same things counts instead. */
function settings(connectionString: string, connect: number, statement: number, answer: number) {
  return {
    connectionString,
    connectionTimeoutMillis: connect,
    statement_timeout: statement,
    query_timeout: answer,
    keepAlive: true,
    fallback_application_name: "curfew",
  };
}

function placeOf(url: string): string {
  const { host = "", searchParams } = URL.parse(url) ?? {};
  return host || searchParams?.get("host") || "localhost";
}

/** Of several addresses of one host, the error of each is in the errors of one without a message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

function toUser({ id, email, created_at, locked }: Row): User {
  return { id, email, createdAt: Number(created_at), locked };
}
