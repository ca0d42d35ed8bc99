/** Hashes and verifies passwords with argon2id, a bounded number at a time. */
import { availableParallelism } from "node:os";
import { hash, verify, type Options } from "@node-rs/argon2";
import pLimit from "p-limit";
import { isCommon } from "./common-passwords.ts";

/** What a hash takes to compute, and what whoever guesses has to spend on each guess. */
export interface HashCost {
  /** KiB. */
  readonly argon2Memory: number;
  readonly argon2Passes: number;
  readonly argon2Parallelism: number;
}

/** The OWASP Password Storage Cheat Sheet's. */
const owasp: HashCost = { argon2Memory: 19_456, argon2Passes: 2, argon2Parallelism: 1 };

const minCharacters = 8;
const maxBytes = 1024;

/**
 * What is wrong with a password that somebody chose; undefined when nothing is. After NIST SP 800-63B any
 * characters will do, and none are asked for.
 */
export function passwordProblem(password: string): string | undefined {
  if (isOverlong(password)) return `Use at most ${maxBytes} bytes.`;
  const chosen = canonical(password);
  if ([...chosen].length < minCharacters) return `Use at least ${minCharacters} characters.`;
  return isCommon(chosen)
    ? "Use another password: this one is among the first guesses."
    : undefined;
}

/** An argon2 hash in its own notation. */
export type PasswordHash = `$argon2${string}`;

/** `busy`: the queue is full and nothing was computed. */
export type Verification = "match" | "mismatch" | "busy";

export interface PasswordOptions {
  /**
   * Of new hashes.
   *
   * @default 19 MiB, two passes, no parallelism
   */
  readonly cost?: HashCost;
  /**
   * How many hashes are computed at once.
   *
   * @default one thread fewer than there are, of the CPU's or of libuv's pool; at least 1
   */
  readonly parallelism?: number;
  /**
   * How many may wait for their turn; more are turned away as `busy`.
   *
   * @default 64
   */
  readonly queue?: number;
}

/**
 * Every password takes the same time, right or wrong, whoever's or nobody's; but a hash of another cost,
 * until it is made anew, takes the time of that.
 */
export class Passwords {
  readonly #cost: Options;
  /** What a hash of that cost begins with. */
  readonly #notation: string;
  /** No password's hash: it only costs what a hash costs to verify. */
  readonly #nobody: string;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #room: number;

  constructor({
    cost: { argon2Memory: memory, argon2Passes: passes, argon2Parallelism: lanes } = owasp,
    parallelism = spareThreads(),
    queue = 64,
  }: PasswordOptions = {}) {
    // The algorithm defaults to argon2id.
    this.#cost = { memoryCost: memory, timeCost: passes, parallelism: lanes };
    this.#notation = `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$`;
    this.#nobody = `${this.#notation}${"A".repeat(22)}$${"A".repeat(43)}`;
    this.#limit = pLimit(parallelism);
    this.#room = parallelism + queue;
  }

  /** For a password without a `passwordProblem`. */
  async hash(password: string): Promise<PasswordHash | "busy"> {
    return this.#inTurn(async () => (await hash(canonical(password), this.#cost)) as PasswordHash);
  }

  /** Rejects when `against` is not an argon2 hash. */
  async verify(against: string, password: string): Promise<Verification> {
    // An overlong password was never accepted, so it is not worth its own hashing, only the usual time.
    const [target, candidate] = isOverlong(password)
      ? [this.#nobody, ""]
      : [against, canonical(password)];
    return this.#inTurn(async () => ((await verify(target, candidate)) ? "match" : "mismatch"));
  }

  /** Takes the time of `verify` where there is no hash to verify against. */
  async verifyNothing(password: string): Promise<Verification> {
    return this.verify(this.#nobody, password);
  }

  /** Whether it was made at another cost, or by another algorithm, than new ones are. */
  isOutdated(passwordHash: string): boolean {
    return !passwordHash.startsWith(this.#notation);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T | "busy"> {
    const present = this.#limit.activeCount + this.#limit.pendingCount;
    return present < this.#room ? this.#limit(work) : "busy";
  }
}

function isOverlong(password: string): boolean {
  return Buffer.byteLength(password) > maxBytes;
}

/** NIST SP 800-63B: the same password from another keyboard is the same password. */
function canonical(password: string): string {
  return password.normalize("NFKC");
}

/** Hashing runs in libuv's pool, which files and DNS need too: all of it would stall them. */
function spareThreads(): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"]) || 4;
  return Math.max(1, Math.min(availableParallelism(), pool) - 1);
}
