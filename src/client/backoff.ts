/** Computes the delay before the next attempt: exponential backoff with jitter. */

/** Milliseconds. */
const firstDelay = 500;
/**
 * The longest delay of the first attempts (ms). If only the response was lost, a renewal must be retried
 * within the 10 s in which the server returns the same tokens.
 */
const maxEarlyDelay = 3_000;
const maxLateDelay = 15_000;
const earlyAttempts = 10;

/**
 * Returns the delay in milliseconds. Half of it is fixed, so that no client retries in a tight loop. Half of
 * it is random, so that clients that lost a server together do not reconnect together.
 *
 * @param failures how many attempts failed before this one
 */
export function backoff(failures: number, random: () => number): number {
  const limit = failures < earlyAttempts ? maxEarlyDelay : maxLateDelay;
  return Math.min(limit, firstDelay * 2 ** failures) * (0.5 + random() / 2);
}
