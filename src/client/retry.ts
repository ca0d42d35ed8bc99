/** Tries again until it is done: one attempt at a time, and after each failure a longer pause. */
import { backoff } from "./backoff.ts";
import type { RequestFailed } from "./types.ts";
import type { Platform } from "./platform.ts";

export interface Failure {
  readonly error: RequestFailed;
  /** Milliseconds, where the server has said how long to wait. */
  readonly wait?: number;
}

export interface Retry {
  /** Whether an attempt is under way now. */
  readonly trying: () => boolean;
  /** Begins, unless it has begun; resolves with the outcome of the attempt that is under way or comes next. */
  readonly next: () => Promise<Failure | undefined>;
  /** Cuts the pause short. */
  readonly retryNow: () => void;
  readonly stop: () => void;
}

/** @param attempt does not reject; undefined says that there is nothing left to do. */
export function retryUntilDone(
  { random, after }: Platform,
  attempt: () => Promise<Failure | undefined>,
): Retry {
  let round: PromiseWithResolvers<Failure | undefined> | undefined;
  let trying = false;
  let stopped = false;
  let hasten = () => {};

  async function run(current: PromiseWithResolvers<Failure | undefined>): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      trying = true;
      const failure = await attempt();
      trying = false;
      round = failure === undefined || stopped ? undefined : Promise.withResolvers();
      current.resolve(failure);
      if (failure === undefined || round === undefined) return;
      current = round;
      await pause(failure.wait ?? backoff(failures, random));
    }
  }

  const pause = (time: number) =>
    new Promise<void>((resolve) => {
      const cancel = after(time, resolve, "request");
      hasten = () => {
        cancel();
        resolve();
      };
    });

  return {
    trying: () => trying,
    next() {
      if (round === undefined) {
        round = Promise.withResolvers();
        void run(round);
      }
      return round.promise;
    },
    retryNow: () => hasten(),
    stop() {
      stopped = true;
      hasten();
    },
  };
}
