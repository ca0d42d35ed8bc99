/** Bounds how many passwords are tried and how many accounts are made, by account and by address. */
import { hash } from "node:crypto";
import {
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
  type RateLimiterAbstract,
} from "rate-limiter-flexible";
import { countedNetworksOf, networkOf } from "../lib/client-network.ts";
import { AttemptsInFlight } from "./attempts-in-flight.ts";

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
 * Counts attempts by account and address together, and by address, and never by account alone: failures
 * elsewhere keep no owner out of their account. An IPv6 address also counts for the /56 and the /48 around
 * it, with larger limits, so neighbours in these may use them up together.
 *
 * - An attempt is counted before it is made, so that of many at once no more are made than may fail. One
 *   that finds a count full because others are in flight is told to come back in a second, since these may
 *   succeed; only failures that are certain are told the whole window.
 * - It counts for nothing when it is `untried`, and when `make` rejects.
 * - Where attempts cannot be counted together with other nodes, they are counted on this one.
 */
export interface Throttle {
  /**
   * Tries a password. A success forgets what failed before on that account from that address, and counts
   * towards a limit of its own.
   */
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
  /** Passwords that are right on one account from one address, within the window. */
  readonly maxLoginsPerAccount: number;
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

/** Limiters by the share of a network, which is what their points are multiplied by. */
type LimiterOf = (share: number) => RateLimiterAbstract;

export class Throttling implements Throttle {
  readonly #byAccount: RateLimiterAbstract;
  readonly #successes: RateLimiterAbstract;
  readonly #byAddress: LimiterOf;
  readonly #registrations: LimiterOf;
  readonly #renewals: LimiterOf;
  readonly #inFlight = new AttemptsInFlight();

  /** @param redis an ioredis client, for nodes that count together; in this process without one */
  constructor(limits: Limits, redis?: object) {
    const limiter = (name: string, points: number) => createLimiter(name, points, limits, redis);
    this.#byAccount = limiter("account", limits.maxLoginFailures);
    this.#successes = limiter("success", limits.maxLoginsPerAccount);
    const limiters = (name: string, points: number): LimiterOf => {
      const byShare = new Map<number, RateLimiterAbstract>();
      return (share) => {
        const own = byShare.get(share) ?? limiter(nameFor(name, share), points * share);
        byShare.set(share, own);
        return own;
      };
    };
    this.#byAddress = limiters("address", limits.maxFailuresPerAddress);
    this.#registrations = limiters("registration", limits.maxRegistrationsPerAddress);
    this.#renewals = limiters("renewal", limits.maxFailuresPerAddress);
  }

  async guess<Result>({ account, address, ...attempt }: Attempt<Result>) {
    const ofAddress = countsOf(this.#byAddress, address);
    if (account === undefined) return this.#within(ofAddress, attempt, giveBackUnlessFailed);
    const key = keyOf(networkOf(address), account);
    const ofAccount = { limiter: this.#byAccount, key };
    const ofSuccess = { limiter: this.#successes, key };
    const failures = [...ofAddress, ofAccount];
    // The networks first: a client over such a limit adds no keys of accounts.
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

  /** Makes the attempt if all of the counts have room for it. */
  async #within<Result>(
    counts: readonly Count[],
    { make, judge }: Pick<Attempt<Result>, "make" | "judge">,
    settle: (verdict: Verdict, counts: readonly Count[]) => Promise<void>,
  ): Promise<Result | Throttled> {
    const inFlight = this.#inFlight;
    const names = counts.map(nameOf);
    const isTaken = counts.some(
      ({ limiter }, index) => inFlight.of(names[index] ?? "") >= limiter.points,
    );
    if (isTaken) return throttled(0);
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

/** The client's own network keeps the name that older versions count by. */
function nameFor(name: string, share: number): string {
  return share === 1 ? name : `${name}-x${share}`;
}

/** The widest network first: a client over its limit adds no keys of the networks in it. */
function countsOf(limiterOf: LimiterOf, address: string | null): readonly Count[] {
  return countedNetworksOf(address)
    .map(({ name, share }) => ({ limiter: limiterOf(share), key: keyOf(name) }))
    .toReversed();
}

/** Names a count among all counts. */
function nameOf({ limiter, key }: Count): string {
  return `${limiter.keyPrefix}:${key}`;
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

/** Of a fixed length, whatever a client sends; it shows neither an e-mail address nor a network. */
function keyOf(network: string, account = ""): string {
  const text = `${network}\n${account}`;
  return hash("sha256", text, "buffer").subarray(0, 16).toString("base64url");
}

/** A count without room. */
interface Full {
  readonly count: Count;
  /** Milliseconds until all counts have room. */
  readonly wait: number;
}

/** Counts in all of them or, where one is full, in none. */
async function takeAll(counts: readonly Count[]): Promise<Full | undefined> {
  for (const [index, count] of counts.entries()) {
    const wait = await take(count);
    if (wait === undefined) continue;
    await giveBack(counts.slice(0, index + 1));
    const others = await Promise.all(counts.slice(index + 1).map(waitOf));
    return { count, wait: Math.max(wait, ...others) };
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
