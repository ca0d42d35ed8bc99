/** The port to the user directory. */
import type { EndReason } from "../protocol/end-reasons.ts";

export interface User {
  /** Opaque, and never reused. */
  readonly id: string;
  /** Normalised, see `normaliseEmail`; at most one user has it. */
  readonly email: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** A locked user cannot sign in, and the user's sessions end at their next renewal. */
  readonly locked: boolean;
  /**
   * Sessions that began under a lower version have ended, whatever the session store says. Raised by a changed
   * password, a lock and `raiseSecurityVersion`. Default: 0
   */
  readonly securityVersion?: number;
  /** Why the version was last raised. Default: unknown */
  readonly securityReason?: EndReason;
}

/**
 * Stores users and their password hashes.
 *
 * - E-mails arrive normalised and are compared exactly; hashes are stored unchanged.
 * - Every method is atomic. After a promise has resolved, every later read sees its change.
 * - An optional method that is absent leaves the security version as it is. Then only the session store ends
 *   sessions, and a session that it lost from a user's list survives a changed password.
 * - An unknown id is an ordinary result, never an error.
 * - If the directory cannot give a true answer, the method rejects with `StoreUnavailable`. Then it is
 *   unknown whether a change happened.
 */
export interface UserDirectory {
  /** Adds an unlocked user under a new id. Of concurrent calls for one e-mail, one succeeds. */
  create(email: string, passwordHash: string, now: number): Promise<User | "taken">;
  byId(id: string): Promise<User | undefined>;
  byEmail(
    email: string,
  ): Promise<{ readonly user: User; readonly passwordHash: string } | undefined>;
  passwordHash(id: string): Promise<string | undefined>;
  /**
   * Compare-and-set: sets the hash to `next` if it still is `current`, so that of two changes with one old
   * password only the first succeeds. Resolves to whether it did.
   */
  replacePasswordHash(id: string, current: string, next: string): Promise<boolean>;
  /**
   * `replacePasswordHash`, and raises the security version in the same statement, with the reason
   * `PASSWORD_CHANGED`. Resolves to the new version, or to undefined if the hash was not `current`.
   */
  changePassword?(id: string, current: string, next: string): Promise<number | undefined>;
  /** Raises the security version of a user, if there is one. Resolves to the new version. */
  raiseSecurityVersion?(id: string, reason: EndReason): Promise<number | undefined>;
  /** Raises the security versions of all users. Only the change of each user has to be atomic. */
  raiseAllSecurityVersions?(reason: EndReason): Promise<void>;
  /** Locks or unlocks a user, if there is one. A lock raises the security version, with the reason `USER_GONE`. */
  setLocked(id: string, locked: boolean): Promise<void>;
  /** Deletes a user, if there is one. The e-mail becomes free. */
  delete(id: string): Promise<void>;
  /** Readiness: rejects if the directory does not answer. */
  ping?(): Promise<void>;
  close(): Promise<void>;
}
