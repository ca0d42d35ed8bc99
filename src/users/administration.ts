/** What an operator does with users and their sessions: who is locked or deleted is out at once. */
import type { Actor, Audit } from "../session/audit.ts";
import type { Session } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { StoreUnavailable } from "../session/store.ts";
import type { User, UserDirectory } from "./directory.ts";
import { normaliseEmail } from "./email.ts";

export interface AdministrationOptions {
  /** Absent where they are kept on another machine: then there are only sessions to list and to end. */
  readonly users: UserDirectory | undefined;
  readonly sessions: Sessions;
  readonly audit: Audit;
}

/** What became of a user and his sessions. */
export interface Removal {
  /** Whether there is, or was, such a user. */
  readonly found: boolean;
  /** How many sessions this call ended. */
  readonly endedSessions: number;
}

const operator: Actor = { by: "operator" };

/**
 * Everything rejects with `StoreUnavailable` when the directory or the store cannot be asked. Then it
 * may be half done, and is safe to repeat: the lock comes first, so that what is left are sessions that
 * no renewal extends.
 */
export class Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /** @param who an e-mail address, however it is written, or an id */
  async find(who: string): Promise<User | undefined> {
    const { users } = this.#options;
    const email = normaliseEmail(who);
    const found = email === undefined ? undefined : await users?.byEmail(email);
    return found?.user ?? users?.byId(who);
  }

  /** The user's live sessions, newest first. */
  async sessions(userId: string): Promise<readonly Session[]> {
    return this.#options.sessions.list(userId);
  }

  /** Ends a session with the reason `ENDED_BY_OPERATOR`; resolves to how many this call ended: 1, or 0. */
  async endSession(fingerprint: string): Promise<number> {
    return this.#options.sessions.end(fingerprint, "ENDED_BY_OPERATOR", operator);
  }

  /** Ends all of a user's sessions likewise. He may sign in again. */
  async endSessions(userId: string): Promise<number> {
    return this.#options.sessions.endAll(userId, "ENDED_BY_OPERATOR", operator);
  }

  /** Locks a user and ends all of his sessions, with the reason `USER_GONE`. */
  async lock(userId: string): Promise<Removal> {
    const { audit } = this.#options;
    const users = this.#users;
    const user = await users.byId(userId);
    if (user?.locked === false) {
      await users.setLocked(userId, true);
      audit({ event: "lock", userId });
    }
    return { found: user !== undefined, endedSessions: await this.#endGone(userId) };
  }

  /** Lets a user sign in again; resolves to whether there is such a user. */
  async unlock(userId: string): Promise<boolean> {
    const { audit } = this.#options;
    const users = this.#users;
    const user = await users.byId(userId);
    if (user?.locked === true) {
      await users.setLocked(userId, false);
      audit({ event: "unlock", userId });
    }
    return user !== undefined;
  }

  /** Removes a user and ends all of his sessions, with the reason `USER_GONE`. The e-mail is free again. */
  async delete(userId: string): Promise<Removal> {
    const { audit } = this.#options;
    const users = this.#users;
    const user = await users.byId(userId);
    if (user !== undefined) {
      await users.delete(userId);
      audit({ event: "deletion", userId });
    }
    return { found: user !== undefined, endedSessions: await this.#endGone(userId) };
  }

  get #users(): UserDirectory {
    const { users } = this.#options;
    if (users === undefined) throw new StoreUnavailable("The users are kept on another machine");
    return users;
  }

  /** A login that came first has listed its session, and one that comes later finds the user gone. */
  #endGone(userId: string): Promise<number> {
    return this.#options.sessions.endAll(userId, "USER_GONE", operator);
  }
}
