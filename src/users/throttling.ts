/** Bounds how many passwords are tried and how many accounts are made, by account and by address. */
import { hash } from "node:crypto";
import {
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
  type RateLimiterAbstract,
} from "rate-limiter-flexible";
import { networkOf } from "../session/network.ts";

/** Too many attempts of that kind; this one was not made. */
export interface Throttled {
  readonly outcome: "throttled";
  /** After so many it will be made, if no others come in between. */
  readonly retryAfterSeconds: number;
}

/** What came of an attempt: `untried` counts for nothing. */
export type Verdict = "failed" | "succeeded" | "untried";

/** What counts an attempt: the account is whatever it is made on, absent where there cannot be one. */
export interface Attempt<Result> {
  readonly account?: string | undefined;
  readonly address: string | null;
  readonly make: () => Promise<Result>;
  readonly judge: (result: Result) => Verdict;
}

/**
 * Counts what failed. Nothing here can keep an owner out of his account from an address of his own:
 * failures count by account and address together, and by address, and never by account alone.
 *
 * - An attempt is counted before it is made, so that of many at once no more are made than may fail.
 * - It counts for nothing when it is `untried`, and when `make` rejects.
 * - Where attempts cannot be counted together with other nodes, they are counted on this one.
 */
export interface Throttle {
  /** Tries a password. A success forgets what failed before on that account from that address. */
  guess<Result>(attempt: Attempt<Result>): Promise<Result | Throttled>;
  /** Makes an account; that one succeeds is no reason to let more be made. */
  register<Result>(attempt: Attempt<Result>): Promise<Result | Throttled>;
  /**
   * Counts a renewal that was refused. Those that succeed are never counted nor throttled: a session
   * lives on, whatever others at its address do.
   */
  renewalRefused(address: string | null): Promise<Throttled | undefined>;
}

export interface Limits {
  /** Passwords that fail on one account from one address, within the window. */
  readonly maxLoginFailures: number;
  /** Passwords that fail from one address on any accounts; and, apart from these, refused renewals. */
  readonly maxFailuresPerAddress: number;
  /** Accounts made, or not made because the e-mail was taken, from one address. */
  readonly maxRegistrationsPerAddress: number;
  /** Milliseconds from the first of them until all are forgotten. */
  readonly attemptWindow: number;
}

interface Count {
  readonly limiter: RateLimiterAbstract;
  readonly key: string;
}

export class Throttling implements Throttle {
  readonly #byAccount: RateLimiterAbstract;
  readonly #byAddress: RateLimiterAbstract;
  readonly #registrations: RateLimiterAbstract;
  readonly #renewals: RateLimiterAbstract;

  /** @param redis an ioredis client, for nodes that count together; in this process without one */
  constructor(limits: Limits, redis?: object) {
    const limiter = (name: string, points: number) => createLimiter(name, points, limits, redis);
    this.#byAccount = limiter("account", limits.maxLoginFailures);
    this.#byAddress = limiter("address", limits.maxFailuresPerAddress);
    this.#registrations = limiter("registration", limits.maxRegistrationsPerAddress);
    this.#renewals = limiter("renewal", limits.maxFailuresPerAddress);
  }

  async guess<Result>({ account, address, ...attempt }: Attempt<Result>) {
    const ofAddress = { limiter: this.#byAddress, key: keyOf(address) };
    if (account === undefined) return within([ofAddress], attempt, giveBackUnlessFailed);
    const ofAccount = { limiter: this.#byAccount, key: keyOf(address, account) };
    // The address first: who is over that limit adds no keys of accounts.
    return within([ofAddress, ofAccount], attempt, async (verdict, counts) => {
      if (verdict !== "succeeded") return giveBackUnlessFailed(verdict, counts);
      await Promise.all([giveBack([ofAddress]), ofAccount.limiter.delete(ofAccount.key)]);
    });
  }

  async register<Result>({ address, ...attempt }: Attempt<Result>) {
    const count = { limiter: this.#registrations, key: keyOf(address) };
    return within([count], attempt, async (verdict, counts) => {
      if (verdict === "untried") await giveBack(counts);
    });
  }

  async renewalRefused(address: string | null): Promise<Throttled | undefined> {
    const wait = await take({ limiter: this.#renewals, key: keyOf(address) });
    return wait === undefined ? undefined : throttled(wait);
  }
}

/** A window is fixed: what is refused in it does not make it longer. */
function createLimiter(
  name: string,
  points: number,
  { attemptWindow }: Limits,
  redis: object | undefined,
): RateLimiterAbstract {
  const options = {
    keyPrefix: `curfew:attempts:${name}`,
    points,
    // A fraction of a second would be none to Redis, and no window for ever.
    duration: Math.ceil(attemptWindow / 1000),
  };
  const inProcess = new RateLimiterMemory(options);
  if (redis === undefined) return inProcess;
  // What Redis cannot count is counted here: neither unbounded nor locked out while it is away.
  return new RateLimiterRedis({
    ...options,
    storeClient: redis,
    rejectIfRedisNotReady: true,
    insuranceLimiter: inProcess,
  });
}

/** Of a fixed length, whatever a client sends, and nobody's e-mail address or whereabouts. */
function keyOf(address: string | null, account = ""): string {
  const text = `${networkOf(address)}\n${account}`;
  return hash("sha256", text, "buffer").subarray(0, 16).toString("base64url");
}

/** Makes the attempt if all of the counts have room for it. */
async function within<Result>(
  counts: readonly Count[],
  { make, judge }: Pick<Attempt<Result>, "make" | "judge">,
  settle: (verdict: Verdict, counts: readonly Count[]) => Promise<void>,
): Promise<Result | Throttled> {
  const wait = await takeAll(counts);
  if (wait !== undefined) return throttled(wait);
  let verdict: Verdict = "untried";
  try {
    const result = await make();
    verdict = judge(result);
    return result;
  } finally {
    await settle(verdict, counts);
  }
}

/** Counts in all of them or, where one is full, in none: then the milliseconds until all have room. */
async function takeAll(counts: readonly Count[]): Promise<number | undefined> {
  for (const [index, count] of counts.entries()) {
    const wait = await take(count);
    if (wait === undefined) continue;
    await giveBack(counts.slice(0, index + 1));
    const others = await Promise.all(counts.slice(index + 1).map(waitOf));
    return Math.max(wait, ...others);
  }
  return undefined;
}

/** Milliseconds until there is room, without counting. */
async function waitOf({ limiter, key }: Count): Promise<number> {
  const state = await limiter.get(key);
  return state !== null && state.consumedPoints >= limiter.points ? state.msBeforeNext : 0;
}

async function take({ limiter, key }: Count): Promise<number | undefined> {
  try {
    await limiter.consume(key);
    return undefined;
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return refusal.msBeforeNext;
    throw refusal;
  }
}

async function giveBackUnlessFailed(verdict: Verdict, counts: readonly Count[]): Promise<void> {
  if (verdict !== "failed") await giveBack(counts);
}

async function giveBack(counts: readonly Count[]): Promise<void> {
  const back = async ({ limiter, key }: Count) => {
    const { consumedPoints } = await limiter.reward(key);
    // The window has passed meanwhile: nobody gets more than the limit in the next one.
    if (consumedPoints < 0) await limiter.delete(key);
  };
  await Promise.all(counts.map(back));
}

function throttled(wait: number): Throttled {
  return { outcome: "throttled", retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)) };
}
