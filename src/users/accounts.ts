/** Account operations of users: register, sign in, change the password. */
import type { AttemptRefusal } from "../session/audit.ts";
import type { ClientPath } from "../lib/concurrency-limiter.ts";
import { networkPathOf } from "../lib/client-network.ts";
import type { UserStatus } from "../session/user-status.ts";
import type { User, UserDirectory } from "./directory.ts";
import { normaliseEmail } from "./email.ts";
import { passwordProblem } from "./passwords.ts";
import type { Passwords, Verification } from "./passwords.ts";

export interface FieldProblem {
  /** The argument's name in the schema. */
  readonly field: string;
  /** For display to the user. */
  readonly message: string;
}

/** The input is invalid; every problem is listed. */
export interface Invalid {
  readonly outcome: "invalid";
  readonly fields: readonly FieldProblem[];
}

/** Too many passwords are being hashed; nothing was changed. */
export interface Busy {
  readonly outcome: "busy";
}

/** The cause is for the audit trail only: the client must not learn it. */
export interface Refused {
  readonly outcome: "refused";
  readonly cause: Exclude<AttemptRefusal, "TAKEN" | "INVALID">;
  /** Absent if there is no such user. */
  readonly userId?: string;
}

/** Another user has that e-mail. */
export interface Taken {
  readonly outcome: "taken";
}

export type Registration =
  { readonly outcome: "registered"; readonly user: User } | Taken | Invalid | Busy;
/** A password that was right when it was checked. */
export interface Accepted {
  readonly outcome: "accepted";
  readonly user: User;
  /** The hash that the password was verified against, or the upgraded hash that replaced it. */
  readonly passwordHash: string;
}

export type Authentication = Accepted | Refused | Busy;

export interface Changed {
  readonly outcome: "changed";
  /** The user's security version from now on. Absent if the directory keeps none. */
  readonly securityVersion?: number;
}

export type PasswordChange = Changed | Refused | Invalid | Busy;

/** How often a change is tried while concurrent changes overtake it. */
const maxTries = 3;

/**
 * Every method rejects with `StoreUnavailable` if the directory is unavailable.
 *
 * Clients are served round-robin when passwords are hashed. A client is an account at an address, so each
 * call takes the client's `address`, or null for the one that all unknown addresses share. The account is
 * the one that the caller names, whether it exists or not.
 */
export class Accounts {
  readonly #directory: UserDirectory;
  readonly #passwords: Passwords;

  constructor(directory: UserDirectory, passwords: Passwords) {
    this.#directory = directory;
    this.#passwords = passwords;
  }

  /** Adds a user; `now` in epoch milliseconds. */
  async register(
    email: string,
    password: string,
    now: number,
    address: string | null = null,
  ): Promise<Registration> {
    const normalised = normaliseEmail(email);
    const problem = passwordProblem(password);
    if (normalised === undefined || problem !== undefined) {
      return invalid({
        email: normalised === undefined ? "Enter an e-mail address." : undefined,
        password: problem,
      });
    }
    const hash = await this.#passwords.hash(password, clientAt(address, normalised));
    if (hash === "busy") return { outcome: "busy" };
    const user = await this.#directory.create(normalised, hash, now);
    return user === "taken" ? { outcome: "taken" } : { outcome: "registered", user };
  }

  /**
   * Takes the time of one verification, whatever the outcome, so that the time does not reveal whether an
   * account exists. If the password is right and its hash outdated, it takes one hash more to upgrade it.
   */
  async authenticate(
    email: string,
    password: string,
    address: string | null = null,
  ): Promise<Authentication> {
    const normalised = normaliseEmail(email);
    const client = clientAt(address, normalised);
    const found = normalised === undefined ? undefined : await this.#directory.byEmail(normalised);
    const verification = await this.#verify(found?.passwordHash, password, client);
    if (verification === "busy") return { outcome: "busy" };
    if (found === undefined) return { outcome: "refused", cause: "UNKNOWN_USER" };
    const { user } = found;
    const cause = verification === "mismatch" ? "WRONG_PASSWORD" : user.locked && "LOCKED";
    if (cause) return { outcome: "refused", cause, userId: user.id };
    const passwordHash = await this.#upgraded(user.id, found.passwordHash, password, client);
    return { outcome: "accepted", user, passwordHash };
  }

  /**
   * Checks again a password that was accepted: a mismatch if it was changed or the user's security version was raised
   * since, "gone" if the user is disabled.
   */
  async stillAccepts(
    { user, passwordHash }: Accepted,
    password: string,
    address: string | null = null,
  ): Promise<Verification | "gone"> {
    const [current, { disabled, securityVersion }] = await Promise.all([
      this.#directory.passwordHash(user.id),
      this.status(user.id),
    ]);
    if (current === undefined || disabled) return "gone";
    if (securityVersion > (user.securityVersion ?? 0)) return "mismatch";
    // Another hash: either the password was changed, or another login upgraded the hash.
    if (current === passwordHash) return "match";
    return this.#passwords.verify(current, password, clientAt(address, user.email));
  }

  /** Changes the password. The caller then ends the user's other sessions. */
  async changePassword(
    userId: string,
    current: string,
    next: string,
    address: string | null = null,
  ): Promise<PasswordChange> {
    const client = clientAt(address, userId);
    const problem = passwordProblem(next);
    if (problem !== undefined) return invalid({ newPassword: problem });
    for (let tries = 0; tries < maxTries; tries += 1) {
      const change = await this.#tryChange(userId, current, next, client);
      // Overtaken by another change, so that the next try is refused, or by a login that upgraded the hash.
      if (change !== "overtaken") return change;
    }
    return { outcome: "busy" };
  }

  /** Whether the user was deleted or locked, and so may have no session. */
  async isUserDisabled(userId: string): Promise<boolean> {
    return (await this.status(userId)).disabled;
  }

  /** Reads, once, all about the user that decides about the user's sessions. */
  async status(userId: string): Promise<UserStatus> {
    return statusOf(await this.#directory.byId(userId));
  }

  async #tryChange(
    userId: string,
    current: string,
    next: string,
    client: ClientPath,
  ): Promise<PasswordChange | "overtaken"> {
    const currentHash = await this.#directory.passwordHash(userId);
    const verification = await this.#verify(currentHash, current, client);
    if (verification === "busy") return { outcome: "busy" };
    if (currentHash === undefined) return { outcome: "refused", cause: "UNKNOWN_USER" };
    if (verification === "mismatch") return { outcome: "refused", cause: "WRONG_PASSWORD", userId };
    if (await this.isUserDisabled(userId)) return { outcome: "refused", cause: "LOCKED", userId };
    const nextHash = await this.#passwords.hash(next, client);
    if (nextHash === "busy") return { outcome: "busy" };
    const directory = this.#directory;
    if (directory.changePassword === undefined) {
      const replaced = await directory.replacePasswordHash(userId, currentHash, nextHash);
      return replaced ? { outcome: "changed" } : "overtaken";
    }
    const securityVersion = await directory.changePassword(userId, currentHash, nextHash);
    return securityVersion === undefined ? "overtaken" : { outcome: "changed", securityVersion };
  }

  /** Resolves to the upgraded hash, or to the given one if it was not upgraded here. */
  async #upgraded(
    userId: string,
    passwordHash: string,
    password: string,
    client: ClientPath,
  ): Promise<string> {
    if (!this.#passwords.isOutdated(passwordHash)) return passwordHash;
    const next = await this.#passwords.hash(password, client);
    // A later login upgrades it.
    if (next === "busy") return passwordHash;
    const replaced = await this.#directory.replacePasswordHash(userId, passwordHash, next);
    return replaced ? next : passwordHash;
  }

  #verify(hash: string | undefined, password: string, client: ClientPath) {
    return hash === undefined
      ? this.#passwords.verifyNothing(password, client)
      : this.#passwords.verify(hash, password, client);
  }
}

/** @param user as the directory returns them; undefined if there is no such user */
export function statusOf(user: User | undefined): UserStatus {
  return {
    disabled: user?.locked ?? true,
    securityVersion: user?.securityVersion ?? 0,
    securityReason: user?.securityReason,
  };
}

/** @param account absent for a name that no account can have: all of these are one client of the address */
function clientAt(address: string | null, account = ""): ClientPath {
  return [...networkPathOf(address), account];
}

function invalid(problems: Record<string, string | undefined>): Invalid {
  const fields = Object.entries(problems).flatMap(([field, message]) =>
    message === undefined ? [] : [{ field, message }],
  );
  return { outcome: "invalid", fields };
}
