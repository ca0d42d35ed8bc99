/**
 * The time-outs of tests: long enough that a slow or busy machine never fails a test. A passing test takes no
 * longer for it, because tests wait for events; only a failing one does.
 */

/** Time limit for one event (ms). */
export const eventTimeout = 60_000;

/** Time limit for a test or a hook, which wait for many events (ms). */
export const testTimeout = 5 * eventTimeout;
