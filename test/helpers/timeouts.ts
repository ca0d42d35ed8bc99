/**
 * How long tests wait: so long that a machine many times slower, or with other work to do, is never taken
 * for a fault. Nothing takes longer for it, since tests wait for events; only a failure is found out later.
 */

/** The most that one event may take (ms). */
export const eventTimeout = 60_000;

/** The most that a test or a hook may take, with many events in it (ms). */
export const testTimeout = 5 * eventTimeout;
