/** A rate limiter in Redis, which counts in this process while Redis does not. */
import {
  RateLimiterMemory,
  RateLimiterRedis,
  type IRateLimiterOptions,
  type RateLimiterRes,
} from "rate-limiter-flexible";

/** Prefix of the keys of all limiters. */
export const limiterKeys = "curfew:attempts";

export interface FallbackObserver {
  /** An attempt is counted in this process only. */
  limiterFellBack(): void;
  /** This process begins to count alone, so that clients have as many attempts on each node. */
  limiterFallbackBegan(): void;
  /** Redis counts again. */
  limiterFallbackEnded(): void;
}

/** Redis counts again if no attempt was counted in this process for this time (ms): some masters may still be down. */
const quietTime = 5_000;

/** Whether the limiters of this node count in Redis. */
export class LimiterFallback {
  readonly #observer: FallbackObserver | undefined;
  readonly #clock: () => number;
  #uses = 0;
  #lastUseAt: number | undefined;

  /** @param clock milliseconds, monotonic */
  constructor(observer?: FallbackObserver, clock = () => performance.now()) {
    this.#observer = observer;
    this.#clock = clock;
  }

  get uses(): number {
    return this.#uses;
  }

  used(): void {
    this.#uses += 1;
    this.#observer?.limiterFellBack();
    if (this.#lastUseAt === undefined) this.#observer?.limiterFallbackBegan();
    this.#lastUseAt = this.#clock();
  }

  /** Redis has counted an attempt. */
  counted(): void {
    if (this.#lastUseAt === undefined || this.#clock() - this.#lastUseAt < quietTime) return;
    this.#lastUseAt = undefined;
    this.#observer?.limiterFallbackEnded();
  }
}

/** Counts in this process, and reports it. */
class Insurance extends RateLimiterMemory {
  readonly #fallback: LimiterFallback;

  constructor(options: IRateLimiterOptions, fallback: LimiterFallback) {
    super(options);
    this.#fallback = fallback;
  }

  override async consume(...args: Parameters<RateLimiterMemory["consume"]>) {
    this.#fallback.used();
    return super.consume(...args);
  }
}

/** Counts in Redis, or in this process if Redis does not answer. */
export class SharedLimiter extends RateLimiterRedis {
  readonly #fallback: LimiterFallback;

  constructor(options: IRateLimiterOptions, redis: object, fallback: LimiterFallback) {
    super({
      ...options,
      storeClient: redis,
      rejectIfRedisNotReady: true,
      insuranceLimiter: new Insurance(options, fallback),
    });
    this.#fallback = fallback;
  }

  override async consume(
    ...args: Parameters<RateLimiterRedis["consume"]>
  ): Promise<RateLimiterRes> {
    const { uses } = this.#fallback;
    try {
      return await super.consume(...args);
    } finally {
      // A call of another key may have used the fallback meanwhile. Then the next one counts.
      if (uses === this.#fallback.uses) this.#fallback.counted();
    }
  }
}

/**
 * Returns a function that counts once in Redis, without the fallback: it rejects with Redis's error. Its argument is
 * the hash tag of the key, which chooses a master of a cluster.
 *
 * Call this before the client sends commands in batches: the limiter defines a command of the client, which a batch
 * that was begun before does not know.
 */
export function limiterTrial(redis: object): (tag: string) => Promise<unknown> {
  const limiter = new RateLimiterRedis({
    keyPrefix: `${limiterKeys}:probe`,
    points: Number.MAX_SAFE_INTEGER,
    duration: 10,
    storeClient: redis,
  });
  return (tag) => limiter.consume(`{${tag}}`);
}
