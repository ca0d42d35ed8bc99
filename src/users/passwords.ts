/** Hashes and verifies passwords with argon2id, a bounded number at a time, for all clients in turn. */
import { availableParallelism } from "node:os";
import { hash, verify, type Options } from "@node-rs/argon2";
import { ConcurrencyLimiter, type ClientPath } from "../lib/concurrency-limiter.ts";
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

/** `busy`: the queue had no place for this client and nothing was computed. */
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
   * How many hashes may wait, over all clients; see `ConcurrencyLimiter` for the order, and for which of
   * them are refused as `busy` when there are more.
   *
   * @default 64
   */
  readonly queue?: number;
  /**
   * How many hashes of one client may wait.
   *
   * @default 32
   */
  readonly queueEach?: number;
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
  readonly #limiter: ConcurrencyLimiter;

  constructor({
    cost: { argon2Memory: memory, argon2Passes: passes, argon2Parallelism: lanes } = owasp,
    parallelism = spareThreads(),
    queue = 64,
    queueEach = 32,
  }: PasswordOptions = {}) {
    // The algorithm defaults to argon2id.
    this.#cost = { memoryCost: memory, timeCost: passes, parallelism: lanes };
    this.#notation = `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$`;
    this.#nobody = `${this.#notation}${"A".repeat(22)}$${"A".repeat(43)}`;
    this.#limiter = new ConcurrencyLimiter({
      atOnce: parallelism,
      waiting: queue,
      waitingEach: queueEach,
    });
  }

  /**
   * Hashes a password without a `passwordProblem`.
   *
   * @param client whose turn it takes; without one, calls share the turns of one client
   */
  async hash(password: string, client: ClientPath = []): Promise<PasswordHash | "busy"> {
    return this.#limiter.run(
      client,
      async () => (await hash(canonical(password), this.#cost)) as PasswordHash,
    );
  }

  /**
   * Compares a password with a hash. Rejects when `against` is not an argon2 hash.
   *
   * @param client as for `hash`
   */
  async verify(against: string, password: string, client: ClientPath = []): Promise<Verification> {
    // An overlong password was never accepted, so it is not worth its own hashing, only the usual time.
    const [target, candidate] = isOverlong(password)
      ? [this.#nobody, ""]
      : [against, canonical(password)];
    return this.#limiter.run(client, async () =>
      (await verify(target, candidate)) ? "match" : "mismatch",
    );
  }

  /** Takes the time of `verify` where there is no hash to verify against. */
  async verifyNothing(password: string, client?: ClientPath): Promise<Verification> {
    return this.verify(this.#nobody, password, client);
  }

  /** Whether it was made at another cost, or by another algorithm, than new ones are. */
  isOutdated(passwordHash: string): boolean {
    return !passwordHash.startsWith(this.#notation);
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
