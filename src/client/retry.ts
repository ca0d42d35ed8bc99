/** Retries an attempt until it succeeds: one at a time, with a growing delay after each failure. */
import { backoff } from "./backoff.ts";
import type { RequestFailed } from "./types.ts";
import type { Platform } from "./platform.ts";

export interface Failure {
  readonly error: RequestFailed;
  /** The delay that the server asks for (ms), instead of the backoff. */
  readonly retryAfter?: number;
}

export interface Retry {
  /** Whether an attempt is in flight. */
  readonly isTrying: () => boolean;
  /** Starts, unless already started. Resolves with the outcome of the attempt in flight, or of the next one. */
  readonly next: () => Promise<Failure | undefined>;
  /** Skips the rest of the delay. */
  readonly retryNow: () => void;
  readonly stop: () => void;
}

/** @param attempt must not reject; it resolves with undefined when nothing is left to do */
export function retryUntilDone(
  { random, after }: Platform,
  attempt: () => Promise<Failure | undefined>,
): Retry {
  let round: PromiseWithResolvers<Failure | undefined> | undefined;
  let isTrying = false;
  let isStopped = false;
  let skipDelay = () => {};

  async function run(current: PromiseWithResolvers<Failure | undefined>): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      isTrying = true;
      const failure = await attempt();
      isTrying = false;
      round = failure === undefined || isStopped ? undefined : Promise.withResolvers();
      current.resolve(failure);
      if (failure === undefined || round === undefined) return;
      current = round;
      await delay(failure.retryAfter ?? backoff(failures, random));
    }
  }

  const delay = (time: number) =>
    new Promise<void>((resolve) => {
      const cancel = after(time, resolve, "request");
      skipDelay = () => {
        cancel();
        resolve();
      };
    });

  return {
    isTrying: () => isTrying,
    next() {
      if (round === undefined) {
        round = Promise.withResolvers();
        void run(round);
      }
      return round.promise;
    },
    retryNow: () => skipDelay(),
    stop() {
      isStopped = true;
      skipDelay();
    },
  };
}
