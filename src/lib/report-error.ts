/** Error reporting for failures that must not propagate. */

/**
 * Reports an error. Never throws.
 *
 * @param what a log message that names the failure, without secrets
 */
export type ReportError = (what: string, error: unknown) => void;

/** Invokes a callback and reports anything it throws or rejects with. */
export function callSafely(call: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = call();
    // A listener whose type returns nothing may be an async function.
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}
