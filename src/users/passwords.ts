/** Hashes and verifies passwords with argon2id, a bounded number at a time. */
import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/argon2";
import pLimit from "p-limit";

/** 19 MiB and two passes: the OWASP Password Storage Cheat Sheet. The algorithm defaults to argon2id. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** No password's hash: it only costs what a hash costs to verify. */
const nobody = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}$${"A".repeat(22)}$${"A".repeat(43)}`;

const minCharacters = 8;
const maxBytes = 1024;

/** What is wrong with a password that somebody chose; undefined when nothing is. */
export function passwordProblem(password: string): string | undefined {
  if (isOverlong(password)) return `Use at most ${maxBytes} bytes.`;
  if ([...password].length < minCharacters) return `Use at least ${minCharacters} characters.`;
  return undefined;
}

/** An argon2 hash in its own notation. */
export type PasswordHash = `$argon2${string}`;

/** `busy`: the queue is full and nothing was computed. */
export type Verification = "match" | "mismatch" | "busy";

export interface PasswordOptions {
  /**
   * How many are computed at once.
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

/** Every password takes the same time, right or wrong, whoever's or nobody's. */
export class Passwords {
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #room: number;

  constructor({ parallelism = spareThreads(), queue = 64 }: PasswordOptions = {}) {
    this.#limit = pLimit(parallelism);
    this.#room = parallelism + queue;
  }

  /** For a password without a `passwordProblem`. */
  async hash(password: string): Promise<PasswordHash | "busy"> {
    return this.#inTurn(async () => (await hash(canonical(password), cost)) as PasswordHash);
  }

  /** Rejects when `against` is not an argon2 hash. */
  async verify(against: string, password: string): Promise<Verification> {
    // An overlong password was never accepted, so it is not worth its own hashing, only the usual time.
    const [target, candidate] = isOverlong(password)
      ? [nobody, ""]
      : [against, canonical(password)];
    return this.#inTurn(async () => ((await verify(target, candidate)) ? "match" : "mismatch"));
  }

  /** Takes the time of `verify` where there is no hash to verify against. */
  async verifyNothing(password: string): Promise<Verification> {
    return this.verify(nobody, password);
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
