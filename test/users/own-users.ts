/** A user directory on the existing members table of a club. */
import { DatabaseSync } from "node:sqlite";
import { createCurfew, loadOptions, StoreUnavailable } from "../../src/index.ts";
import type { User, UserDirectory } from "../../src/index.ts";

interface Member {
  readonly number: number;
  readonly mail: string;
  readonly argon2: string | null;
  readonly joined: string;
  readonly banned: number;
}

export class Members implements UserDirectory {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async create(email: string, passwordHash: string, now: number) {
    const joined = new Date(now).toISOString();
    const member = this.#get(
      `INSERT INTO members (mail, argon2, joined) VALUES (?, ?, ?)
       ON CONFLICT DO NOTHING RETURNING *`,
      email,
      passwordHash,
      joined,
    );
    return member ? toUser(member) : "taken";
  }

  async byId(id: string) {
    const member = this.#get("SELECT * FROM members WHERE number = ?", id);
    return member && toUser(member);
  }

  async byEmail(email: string) {
    // E-mail addresses arrive trimmed and in lower case; this table has them as typed.
    const member = this.#get("SELECT * FROM members WHERE lower(mail) = ?", email);
    return member?.argon2 ? { user: toUser(member), passwordHash: member.argon2 } : undefined;
  }

  async passwordHash(id: string) {
    return this.#get("SELECT * FROM members WHERE number = ?", id)?.argon2 ?? undefined;
  }

  async replacePasswordHash(id: string, current: string, next: string) {
    const sql = "UPDATE members SET argon2 = ? WHERE number = ? AND argon2 = ? RETURNING *";
    return this.#get(sql, next, id, current) !== undefined;
  }

  async setLocked(id: string, locked: boolean) {
    this.#get("UPDATE members SET banned = ? WHERE number = ?", Number(locked), id);
  }

  async delete(id: string) {
    this.#get("DELETE FROM members WHERE number = ?", id);
  }

  async close() {
    this.#database.close();
  }

  #get(sql: string, ...values: (string | number)[]): Member | undefined {
    try {
      return this.#database.prepare(sql).get(...values) as Member | undefined;
    } catch (cause) {
      // Clients get SERVICE_UNAVAILABLE and try again; they do not see a wrong password.
      throw new StoreUnavailable("The members cannot be read or written", { cause });
    }
  }
}

function toUser({ number, mail, joined, banned }: Member): User {
  const email = mail.toLowerCase();
  return { id: String(number), email, createdAt: Date.parse(joined), locked: banned === 1 };
}

/** @param file the club's database */
export async function serve(file: string) {
  const users = new Members(new DatabaseSync(file));
  return createCurfew({ ...loadOptions(process.env), backends: { users } });
}
