/** Waits for a promise, but not for longer than a time-out. */

/** The result of a wait that ended before the promise did. */
export const timedOut: unique symbol = Symbol("timed out");

/**
 * Resolves or rejects with the promise, or resolves to {@link timedOut} after `timeout` milliseconds.
 *
 * Only the wait ends: the work goes on, and a rejection after the time-out is ignored. A wait leaves a
 * reaction on its promise, so do not wait many times for one promise that stays pending.
 */
export async function withTimeout<T>(
  promise: Promise<T>,
  timeout: number,
): Promise<T | typeof timedOut> {
  const { promise: late, resolve } = Promise.withResolvers<typeof timedOut>();
  const timer = setTimeout(resolve, timeout, timedOut);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
