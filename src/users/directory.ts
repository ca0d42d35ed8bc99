/** The port to wherever the users are kept. */

export interface User {
  /** Opaque, and never given to anyone else. */
  readonly id: string;
  /** Normalised, see `normaliseEmail`; at most one user has it. */
  readonly email: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** A locked user cannot sign in, and sessions end when they are next renewed. */
  readonly locked: boolean;
}

/**
 * Keeps users and the hashes of their passwords.
 *
 * - E-mails arrive normalised and are compared as they stand; hashes are kept as they stand.
 * - Every method is atomic, and what a resolved promise acknowledged is seen by every later read.
 * - An id that names nobody is an ordinary answer, never an error.
 * - Whatever keeps the directory from giving a true answer rejects with `StoreUnavailable`; then it
 *   is unknown whether a change happened.
 */
export interface UserDirectory {
  /** Adds an unlocked user under a new id. Of calls that race for one e-mail, one gets the user. */
  create(email: string, passwordHash: string, now: number): Promise<User | "taken">;
  byId(id: string): Promise<User | undefined>;
  byEmail(
    email: string,
  ): Promise<{ readonly user: User; readonly passwordHash: string } | undefined>;
  passwordHash(id: string): Promise<string | undefined>;
  /**
   * Sets the hash to `next` if it still is `current`, so that of two changes on the strength of one
   * old password only the first counts; resolves to whether it did.
   */
  replacePasswordHash(id: string, current: string, next: string): Promise<boolean>;
  /** Locks or unlocks a user, if there is one. */
  setLocked(id: string, locked: boolean): Promise<void>;
  /** Removes a user, if there is one; the e-mail is free again. */
  delete(id: string): Promise<void>;
  /** Whether the directory answers; for readiness. Rejects when not. */
  ping?(): Promise<void>;
  close(): Promise<void>;
}
