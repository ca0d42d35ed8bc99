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
  /** Epoch milliseconds. */
  readonly clock: () => number;
}

/** The result of locking or deleting a user. */
export interface Removal {
  /** Whether there is, or was, such a user. */
  readonly found: boolean;
  /** The number of sessions that this call ended. */
  readonly endedSessions: number;
}

/** The result of ending the sessions of all users. */
export interface EverybodyEnded {
  /**
   * Whether the security versions of all users were raised first. Otherwise only the sessions that the store lists
   * have ended: `unsupported` by the directory, the users are kept `elsewhere`, or the directory is `unavailable`, and
   * then it is unknown whose were raised.
   */
  readonly versions: "raised" | "unsupported" | "elsewhere" | "unavailable";
  /** The number of sessions that this call ended. */
  readonly endedSessions: number;
}

const operator: Actor = { by: "operator" };

/** How far the clocks of nodes may be apart (ms). */
const clockTolerance = 10_000;

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
    const { users, sessions } = this.#options;
    const reason = "ENDED_BY_OPERATOR";
    // First, for sessions that the user's list has lost. The listed ones end even if the directory does not answer.
    const raising = Promise.resolve(users?.raiseSecurityVersion?.(userId, reason));
    await Promise.allSettled([raising]);
    const endedSessions = await sessions.endAll(userId, reason, operator);
    await raising;
    return endedSessions;
  }

  /**
   * Ends all sessions of all users with the same reason, also those that the lists of users have lost. Users may sign in
   * again: sessions that begin later than some seconds after the call stay.
   *
   * Raises the security versions of all users first. A session that the store lost and an older copy of it brings back
   * then ends at its next renewal.
   *
   * @param onProgress called now and then with the number of ended sessions so far
   * @throws Error if the store has no `scan`
   */
  async endEverybody(onProgress?: (endedSessions: number) => void): Promise<EverybodyEnded> {
    const { sessions, audit, clock } = this.#options;
    const beganBefore = clock() + clockTolerance;
    const versions = await this.#raiseAll();
    audit({ event: "endEverybody", versions });
    const endedSessions = await sessions.endEverybody(
      beganBefore,
      "ENDED_BY_OPERATOR",
      operator,
      onProgress,
    );
    return { versions, endedSessions };
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

  async #raiseAll(): Promise<EverybodyEnded["versions"]> {
    const { users } = this.#options;
    if (users === undefined) return "elsewhere";
    if (users.raiseAllSecurityVersions === undefined) return "unsupported";
    try {
      await users.raiseAllSecurityVersions("ENDED_BY_OPERATOR");
      return "raised";
    } catch (error) {
      // The sessions end nevertheless, and the caller learns that this has to be repeated.
      if (error instanceof StoreUnavailable) return "unavailable";
      throw error;
    }
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
