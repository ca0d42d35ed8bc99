/** The operator's actions on users and sessions. Locking or deleting a user ends the user's sessions at once. */
import type { Actor, Audit } from "../session/audit.ts";
import type { Session } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { StoreUnavailable } from "../session/store.ts";
import type { User, UserDirectory } from "./directory.ts";
import { normaliseEmail } from "./email.ts";

export interface AdministrationOptions {
  /** Absent if the directory is on another machine: then only sessions can be listed and ended. */
  readonly users: UserDirectory | undefined;
  readonly sessions: Sessions;
  readonly audit: Audit;
}

/** The result of locking or deleting a user. */
export interface Removal {
  /** Whether there is, or was, such a user. */
  readonly found: boolean;
  /** The number of sessions that this call ended. */
  readonly endedSessions: number;
}

const operator: Actor = { by: "operator" };

/**
 * Every method rejects with `StoreUnavailable` if the directory or the store is unavailable. Then it may be
 * partly done and is safe to repeat: the user is locked first, so no renewal extends the sessions that
 * remain.
 */
export class Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /** @param emailOrId an e-mail address, normalised or not, or an id */
  async find(emailOrId: string): Promise<User | undefined> {
    const { users } = this.#options;
    const email = normaliseEmail(emailOrId);
    const found = email === undefined ? undefined : await users?.byEmail(email);
    return found?.user ?? users?.byId(emailOrId);
  }

  /** The user's live sessions, newest first. */
  async sessions(userId: string): Promise<readonly Session[]> {
    return this.#options.sessions.list(userId);
  }

  /** Ends a session with the reason `ENDED_BY_OPERATOR`. Resolves to the number that this call ended: 1 or 0. */
  async endSession(fingerprint: string): Promise<number> {
    return this.#options.sessions.end(fingerprint, "ENDED_BY_OPERATOR", operator);
  }

  /** Ends all of a user's sessions with the same reason. The user may sign in again. */
  async endSessions(userId: string): Promise<number> {
    return this.#options.sessions.endAll(userId, "ENDED_BY_OPERATOR", operator);
  }

  /** Locks a user and ends all of the user's sessions, with the reason `USER_GONE`. */
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

  /** Unlocks a user. Resolves to whether there is such a user. */
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

  /** Deletes a user and ends all of the user's sessions, with the reason `USER_GONE`. The e-mail becomes free. */
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

  /** No session is missed: an earlier login has listed its session, and a later one finds the user disabled. */
  #endGone(userId: string): Promise<number> {
    return this.#options.sessions.endAll(userId, "USER_GONE", operator);
  }
}
