/** Computes the delay before the next attempt: exponential backoff with jitter. */

export interface RetryDelays {
  /** The pause after the first failure (ms). Each further failure in a row doubles it. */
  readonly firstPause: number;
  /** Milliseconds. */
  readonly longestPause: number;
}

/**
 * Returns the delay in milliseconds. Half of it is random, so that tasks and nodes that failed together do not try
 * again together.
 *
 * @param failures how many attempts in a row have failed, at least 1
 */
export function retryDelay(
  failures: number,
  { firstPause, longestPause }: RetryDelays,
  random: () => number,
): number {
  return Math.min(longestPause, firstPause * 2 ** (failures - 1)) * (0.5 + random() / 2);
}
