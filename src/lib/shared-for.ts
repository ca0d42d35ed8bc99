/** Limits how often work is done, by sharing its result among calls. */

/** Calls that begin within the interval (ms) after the first one share its promise. */
export function sharedFor<T>(interval: number, work: () => Promise<T>): () => Promise<T> {
  let began = -Infinity;
  let shared: Promise<T> | undefined;
  return () => {
    const now = performance.now();
    if (shared === undefined || now - began >= interval) {
      began = now;
      shared = work();
    }
    return shared;
  };
}
