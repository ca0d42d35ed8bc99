/** Waits for a condition that no event reports, as the contract suites do, but with more patience. */
import { until as untilWithin } from "../../src/testing/until.ts";
import { eventTimeout } from "./timeouts.ts";

export function until(
  condition: () => boolean | Promise<boolean>,
  what?: string,
  milliseconds = eventTimeout,
): Promise<void> {
  return untilWithin(condition, what, milliseconds);
}
