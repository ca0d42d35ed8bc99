/** Rate limits for password attempts, registrations and refused renewals, by account and by address. */
import { hash } from "node:crypto";
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from "rate-limiter-flexible";
import { countedNetworksOf, networkOf } from "../lib/client-network.ts";
import { AttemptsInFlight } from "./attempts-in-flight.ts";
import { LimiterFallback, limiterKeys, SharedLimiter } from "./shared-limiter.ts";

/** The rate limit is exceeded; the attempt was not made. */
export interface Throttled {
  readonly outcome: "throttled";
  /** Seconds to wait before retrying. Other attempts in between may use up the limit again. */
  readonly retryAfterSeconds: number;
}

/** The result of an attempt. `untried` does not count. */
export type Verdict = "failed" | "succeeded" | "untried";

/** An attempt to count. `account` is the name that the client gave, absent if no account can have it. */
export interface Attempt<Result> {
  readonly account?: string | undefined;
  readonly address: string | null;
  readonly make: () => Promise<Result>;
  readonly judge: (result: Result) => Verdict;
}

/**
 * Counts attempts by account and address together, and by address, but never by account alone: failures
 * from other addresses do not lock owners out of their accounts. An IPv6 address also counts for the /56
 * and the /48 around it, with larger limits, which neighbours may use up together.
 *
 * - An attempt is counted before it is made, so that of concurrent ones no more are made than may fail. If
 *   the limit is reached only with attempts in flight, which may succeed, `retryAfterSeconds` is 1. If it is
 *   reached by certain failures, it is the rest of the window.
 * - An attempt does not count if it is `untried` or `make` rejects.
 * - If attempts cannot be counted together with other nodes, this node counts its own.
 */
export interface Throttle {
  /**
   * Tries a password. A success resets the failures on that account from that address, and counts towards a
   * limit of its own.
   */
  guess<Result>(attempt: Attempt<Result>): Promise<Result | Throttled>;
  /** Registers an account. A success counts as well: it does not reset the limit. */
  register<Result>(attempt: Attempt<Result>): Promise<Result | Throttled>;
  /**
   * Counts a refused renewal. Successful ones are neither counted nor throttled: other clients at the same
   * address cannot keep a session from being renewed.
   */
  renewalRefused(address: string | null): Promise<Throttled | undefined>;
}

export interface Limits {
  /** Wrong passwords on one account from one address, per window. */
  readonly maxLoginFailures: number;
  /** Right passwords on one account from one address, per window. */
  readonly maxLoginsPerAccount: number;
  /** Wrong passwords from one address on any accounts, per window; and, counted separately, refused renewals. */
  readonly maxFailuresPerAddress: number;
  /** Registrations from one address, per window, including those refused because the e-mail was taken. */
  readonly maxRegistrationsPerAddress: number;
  /** The length of the window, which begins with the first attempt (ms). */
  readonly attemptWindow: number;
}

interface Count {
  readonly limiter: RateLimiterAbstract;
  readonly key: string;
}

/** The limiter for networks of a share, which multiplies the limit: see `CountedNetwork`. */
type LimiterOf = (share: number) => RateLimiterAbstract;

export class Throttling implements Throttle {
  readonly #byAccount: RateLimiterAbstract;
  readonly #successes: RateLimiterAbstract;
  readonly #byAddress: LimiterOf;
  readonly #registrations: LimiterOf;
  readonly #renewals: LimiterOf;
  readonly #inFlight = new AttemptsInFlight();

  /**
   * @param redis an ioredis client, for nodes that count together. Without one, this process counts alone.
   * @param fallback learns when this process counts alone because Redis does not
   */
  constructor(limits: Limits, redis?: object, fallback = new LimiterFallback()) {
    const limiter = (name: string, points: number) =>
      createLimiter(name, points, limits, redis, fallback);
    this.#byAccount = limiter("account", limits.maxLoginFailures);
    this.#successes = limiter("success", limits.maxLoginsPerAccount);
    const limiters = (name: string, points: number): LimiterOf => {
      const byShare = new Map<number, RateLimiterAbstract>();
      return (share) => {
        const ofShare = byShare.get(share) ?? limiter(nameFor(name, share), points * share);
        byShare.set(share, ofShare);
        return ofShare;
      };
    };
    this.#byAddress = limiters("address", limits.maxFailuresPerAddress);
    this.#registrations = limiters("registration", limits.maxRegistrationsPerAddress);
    this.#renewals = limiters("renewal", limits.maxFailuresPerAddress);
  }

  async guess<Result>({ account, address, ...attempt }: Attempt<Result>) {
    const ofAddress = countsOf(this.#byAddress, address);
    if (account === undefined) return this.#within(ofAddress, attempt, giveBackUnlessFailed);
    const key = countKey(networkOf(address), account);
    const ofAccount = { limiter: this.#byAccount, key };
    const ofSuccess = { limiter: this.#successes, key };
    const failures = [...ofAddress, ofAccount];
    // Networks first: a client over the limit of its network creates no keys of accounts.
    return this.#within([...failures, ofSuccess], attempt, async (verdict) => {
      if (verdict === "succeeded")
        await Promise.all([giveBack(ofAddress), ofAccount.limiter.delete(key)]);
      else await giveBack(verdict === "failed" ? [ofSuccess] : [...failures, ofSuccess]);
    });
  }

  async register<Result>({ address, ...attempt }: Attempt<Result>) {
    const counts = countsOf(this.#registrations, address);
    return this.#within(counts, attempt, async (verdict) => {
      if (verdict === "untried") await giveBack(counts);
    });
  }

  async renewalRefused(address: string | null): Promise<Throttled | undefined> {
    const full = await takeAll(countsOf(this.#renewals, address));
    return full === undefined ? undefined : throttled(full.wait);
  }

  /** Makes the attempt if it is within all limits. */
  async #within<Result>(
    counts: readonly Count[],
    { make, judge }: Pick<Attempt<Result>, "make" | "judge">,
    settle: (verdict: Verdict, counts: readonly Count[]) => Promise<void>,
  ): Promise<Result | Throttled> {
    const inFlight = this.#inFlight;
    const names = counts.map(nameOf);
    const isFullInFlight = counts.some(
      ({ limiter }, index) => inFlight.of(names[index] ?? "") >= limiter.points,
    );
    if (isFullInFlight) return throttled(0);
    for (const name of names) inFlight.add(name);
    try {
      const full = await takeAll(counts);
      if (full !== undefined) return throttled(inFlight.of(nameOf(full.count)) > 1 ? 0 : full.wait);
      let verdict: Verdict = "untried";
      try {
        const result = await make();
        verdict = judge(result);
        return result;
      } finally {
        await settle(verdict, counts);
      }
    } finally {
      for (const name of names) inFlight.remove(name);
    }
  }
}

/** A client's own network has the name that earlier versions use. */
function nameFor(name: string, share: number): string {
  return share === 1 ? name : `${name}-x${share}`;
}

/** The widest network first: a client over its limit creates no keys of the networks within it. */
function countsOf(limiterOf: LimiterOf, address: string | null): readonly Count[] {
  return countedNetworksOf(address)
    .map(({ name, share }) => ({ limiter: limiterOf(share), key: countKey(name) }))
    .toReversed();
}

/** A name that is unique among all counts. */
function nameOf({ limiter, key }: Count): string {
  return `${limiter.keyPrefix}:${key}`;
}

/** The window is fixed: refused attempts do not extend it. */
function createLimiter(
  name: string,
  points: number,
  { attemptWindow }: Limits,
  redis: object | undefined,
  fallback: LimiterFallback,
): RateLimiterAbstract {
  const options = {
    keyPrefix: `${limiterKeys}:${name}`,
    points,
    // Whole seconds: with Redis, a fraction is rounded down to 0, which is a window without end.
    duration: Math.ceil(attemptWindow / 1000),
  };
  if (redis === undefined) return new RateLimiterMemory(options);
  // While Redis is down, this process counts: attempts are neither unlimited nor all refused.
  return new SharedLimiter(options, redis, fallback);
}

/** A hash: of fixed length, whatever a client sends, and it reveals neither an e-mail address nor a network. */
function countKey(network: string, account = ""): string {
  const text = `${network}\n${account}`;
  return hash("sha256", text, "buffer").subarray(0, 16).toString("base64url");
}

/** A limit that is reached. */
interface Full {
  readonly count: Count;
  /** Milliseconds until the attempt is within all limits. */
  readonly wait: number;
}

/** Counts in all of them or, if one is full, in none. */
async function takeAll(counts: readonly Count[]): Promise<Full | undefined> {
  for (const [index, count] of counts.entries()) {
    const wait = await takeOne(count);
    if (wait === undefined) continue;
    await giveBack(counts.slice(0, index + 1));
    const others = await Promise.all(counts.slice(index + 1).map(waitOf));
    return { count, wait: Math.max(wait, ...others) };
  }
  return undefined;
}

/** Milliseconds until an attempt is within the limit. Does not count. */
async function waitOf({ limiter, key }: Count): Promise<number> {
  const state = await limiter.get(key);
  return state !== null && state.consumedPoints >= limiter.points ? state.msBeforeNext : 0;
}

async function takeOne({ limiter, key }: Count): Promise<number | undefined> {
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
    // The window has ended meanwhile: a negative count would raise the limit of the next one.
    if (consumedPoints < 0) await limiter.delete(key);
  };
  await Promise.all(counts.map(back));
}

function throttled(wait: number): Throttled {
  return { outcome: "throttled", retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)) };
}
