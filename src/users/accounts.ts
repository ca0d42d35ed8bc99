/** What people do with their accounts: register, sign in, change the password. */
import type { AttemptRefusal } from "../session/audit.ts";
import type { ClientPath } from "../lib/concurrency-limiter.ts";
import { networkPathOf } from "../lib/client-network.ts";
import type { User, UserDirectory } from "./directory.ts";
import { normaliseEmail } from "./email.ts";
import { passwordProblem } from "./passwords.ts";
import type { Passwords, Verification } from "./passwords.ts";

export interface FieldProblem {
  /** The argument's name in the schema. */
  readonly field: string;
  /** For people. */
  readonly message: string;
}

/** Something about the input is to be changed; every fault is listed. */
export interface Invalid {
  readonly outcome: "invalid";
  readonly fields: readonly FieldProblem[];
}

/** Too many passwords are being hashed; nothing happened. */
export interface Busy {
  readonly outcome: "busy";
}

/** Which it was is for the audit trail, and not for the client to know. */
export interface Refused {
  readonly outcome: "refused";
  readonly cause: Exclude<AttemptRefusal, "TAKEN" | "INVALID">;
  /** Absent where there is no such user. */
  readonly userId?: string;
}

/** There is a user of that e-mail. */
export interface Taken {
  readonly outcome: "taken";
}

export type Registration =
  { readonly outcome: "registered"; readonly user: User } | Taken | Invalid | Busy;
/** A password that was right when it was checked. */
export interface Accepted {
  readonly outcome: "accepted";
  readonly user: User;
  /** What it was checked against, or what was made of it since. */
  readonly passwordHash: string;
}

export type Authentication = Accepted | Refused | Busy;
export type PasswordChange = { readonly outcome: "changed" } | Refused | Invalid | Busy;

/** A change that others keep getting ahead of is tried so often. */
const maxTries = 3;

/**
 * Everything rejects with `StoreUnavailable` when the directory cannot be asked.
 *
 * Passwords are hashed for all clients in turn. A client is an account at an address, so each call takes
 * the client's `address`; null where it is unknown, which all unknown ones share. The account is the one
 * that the caller names, whether it exists or not.
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
   * Costs one verification, whatever the outcome, so that the time tells nobody who has an account. Only
   * a right password costs one more where the hash is outdated, which is then made anew.
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

  /** Whether the password that was accepted would be so again: a mismatch if not, or the user is gone. */
  async stillAccepts(
    { user, passwordHash }: Accepted,
    password: string,
    address: string | null = null,
  ): Promise<Verification | "gone"> {
    const [current, isUserDisabled] = await Promise.all([
      this.#directory.passwordHash(user.id),
      this.isUserDisabled(user.id),
    ]);
    if (current === undefined || isUserDisabled) return "gone";
    // Another hash is another password, or the same one's since another login made it anew.
    if (current === passwordHash) return "match";
    return this.#passwords.verify(current, password, clientAt(address, user.email));
  }

  /** Ending the user's other sessions afterwards is the caller's. */
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
      // By another change, which has this one refused, or by a login that made the hash anew.
      if (change !== "overtaken") return change;
    }
    return { outcome: "busy" };
  }

  /** Whether the user was deleted or locked, and so may have no session. */
  async isUserDisabled(userId: string): Promise<boolean> {
    return (await this.#directory.byId(userId))?.locked ?? true;
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
    const replaced = await this.#directory.replacePasswordHash(userId, currentHash, nextHash);
    return replaced ? { outcome: "changed" } : "overtaken";
  }

  /** Resolves to the hash that the user has now, unless somebody else replaced it meanwhile. */
  async #upgraded(
    userId: string,
    passwordHash: string,
    password: string,
    client: ClientPath,
  ): Promise<string> {
    if (!this.#passwords.isOutdated(passwordHash)) return passwordHash;
    const next = await this.#passwords.hash(password, client);
    // There will be another login.
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

/** @param account absent for what cannot be an account's name: all of these are one client of the address */
function clientAt(address: string | null, account = ""): ClientPath {
  return [...networkPathOf(address), account];
}

function invalid(problems: Record<string, string | undefined>): Invalid {
  const fields = Object.entries(problems).flatMap(([field, message]) =>
    message === undefined ? [] : [{ field, message }],
  );
  return { outcome: "invalid", fields };
}
