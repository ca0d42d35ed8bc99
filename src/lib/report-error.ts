/** How the parts tell of what went wrong without failing anybody. */

/**
 * Never throws.
 *
 * @param what says it for the log: nothing secret
 */
export type ReportError = (what: string, error: unknown) => void;

/** Calls back who may fail: what he throws, or his promise rejects with, is told and stops nobody else. */
export function callSafely(call: () => unknown, tell: (error: unknown) => void): void {
  try {
    const result = call();
    // A listener that returns nothing may well be an async function.
    if (result instanceof Promise) result.catch(tell);
  } catch (error) {
    tell(error);
  }
}
