/** Hashes and verifies passwords with argon2id. Limits concurrency and serves clients round-robin. */
import { availableParallelism } from "node:os";
import { hash, verify, type Options } from "@node-rs/argon2";
import { ConcurrencyLimiter, type ClientPath } from "../lib/concurrency-limiter.ts";
import { isCommon } from "./common-passwords.ts";

/** The cost of computing a hash, and so of each guess of an attacker. */
export interface HashCost {
  /** KiB. */
  readonly argon2Memory: number;
  readonly argon2Passes: number;
  readonly argon2Parallelism: number;
}

/** As the OWASP Password Storage Cheat Sheet recommends. */
const owasp: HashCost = { argon2Memory: 19_456, argon2Passes: 2, argon2Parallelism: 1 };

const minCharacters = 8;
const maxBytes = 1024;

/**
 * The problem of a new password, for display to the user; undefined if it is acceptable. By NIST SP 800-63B
 * all characters are allowed, and none are required.
 */
export function passwordProblem(password: string): string | undefined {
  if (isOverlong(password)) return `Use at most ${maxBytes} bytes.`;
  const chosen = canonical(password);
  if ([...chosen].length < minCharacters) return `Use at least ${minCharacters} characters.`;
  return isCommon(chosen)
    ? "Use another password: this one is among the first guesses."
    : undefined;
}

/** An argon2 hash in PHC string format. */
export type PasswordHash = `$argon2${string}`;

/** `busy`: the queue was full for this client, and nothing was computed. */
export type Verification = "match" | "mismatch" | "busy";

export interface PasswordOptions {
  /**
   * The cost of new hashes.
   *
   * @default 19 MiB, two passes, no parallelism
   */
  readonly cost?: HashCost;
  /**
   * The number of hashes that are computed concurrently.
   *
   * @default one less than the CPU's threads or libuv's pool, whichever is smaller; at least 1
   */
  readonly parallelism?: number;
  /**
   * The number of hashes that may wait, of all clients together. `ConcurrencyLimiter` decides their order
   * and which of them are refused as `busy` if there are more.
   *
   * @default 64
   */
  readonly queue?: number;
  /**
   * The number of hashes of one client that may wait.
   *
   * @default 32
   */
  readonly queueEach?: number;
}

/**
 * Every verification takes the same time, whether the password is right and whether the user exists. Only
 * a hash of another cost takes the time of that cost until it is upgraded.
 */
export class Passwords {
  readonly #cost: Options;
  /** The prefix of hashes of that cost. */
  readonly #prefix: string;
  /** The hash of no password: verifying it only takes the usual time. */
  readonly #dummyHash: string;
  readonly #limiter: ConcurrencyLimiter;

  constructor({
    cost: { argon2Memory: memory, argon2Passes: passes, argon2Parallelism: lanes } = owasp,
    parallelism = spareThreads(),
    queue = 64,
    queueEach = 32,
  }: PasswordOptions = {}) {
    // The algorithm defaults to argon2id.
    this.#cost = { memoryCost: memory, timeCost: passes, parallelism: lanes };
    this.#prefix = `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$`;
    this.#dummyHash = `${this.#prefix}${"A".repeat(22)}$${"A".repeat(43)}`;
    this.#limiter = new ConcurrencyLimiter({
      atOnce: parallelism,
      waiting: queue,
      waitingEach: queueEach,
    });
  }

  /**
   * Hashes a password without a `passwordProblem`.
   *
   * @param client the client that waits. Calls without one count as one client.
   */
  async hash(password: string, client: ClientPath = []): Promise<PasswordHash | "busy"> {
    return this.#limiter.run(
      client,
      async () => (await hash(canonical(password), this.#cost)) as PasswordHash,
    );
  }

  /**
   * Compares a password with a hash. Rejects if `against` is not an argon2 hash.
   *
   * @param client as for `hash`
   */
  async verify(against: string, password: string, client: ClientPath = []): Promise<Verification> {
    // An overlong password was never accepted, so it is not hashed itself: only the usual time is spent.
    const [target, candidate] = isOverlong(password)
      ? [this.#dummyHash, ""]
      : [against, canonical(password)];
    return this.#limiter.run(client, async () =>
      (await verify(target, candidate)) ? "match" : "mismatch",
    );
  }

  /** Spends the time of `verify` if there is no hash to verify against. */
  async verifyNothing(password: string, client?: ClientPath): Promise<Verification> {
    return this.verify(this.#dummyHash, password, client);
  }

  /** Whether the hash differs in cost or algorithm from new ones. */
  isOutdated(passwordHash: string): boolean {
    return !passwordHash.startsWith(this.#prefix);
  }
}

function isOverlong(password: string): boolean {
  return Buffer.byteLength(password) > maxBytes;
}

/** NIST SP 800-63B §5.1.1.2: normalised, a password is the same from every keyboard. */
function canonical(password: string): string {
  return password.normalize("NFKC");
}

/** Hashing runs in libuv's thread pool. It leaves a thread for file and DNS operations, which would stall otherwise. */
function spareThreads(): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"]) || 4;
  return Math.max(1, Math.min(availableParallelism(), pool) - 1);
}
