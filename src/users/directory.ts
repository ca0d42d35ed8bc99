/** The port to the user directory. */

export interface User {
  /** Opaque, and never reused. */
  readonly id: string;
  /** Normalised, see `normaliseEmail`; at most one user has it. */
  readonly email: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** A locked user cannot sign in, and the user's sessions end at their next renewal. */
  readonly locked: boolean;
}

/**
 * Stores users and their password hashes.
 *
 * - E-mails arrive normalised and are compared exactly; hashes are stored unchanged.
 * - Every method is atomic. After a promise has resolved, every later read sees its change.
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
  /** Locks or unlocks a user, if there is one. */
  setLocked(id: string, locked: boolean): Promise<void>;
  /** Deletes a user, if there is one. The e-mail becomes free. */
  delete(id: string): Promise<void>;
  /** Readiness: rejects if the directory does not answer. */
  ping?(): Promise<void>;
  close(): Promise<void>;
}
