/** Polls for a condition that no event reports; like `until` of the contract suites, with a longer time-out. */
import { until as untilWithin } from "../../src/testing/until.ts";
import { eventTimeout } from "./timeouts.ts";

export function until(
  condition: () => boolean | Promise<boolean>,
  what?: string,
  milliseconds = eventTimeout,
): Promise<void> {
  return untilWithin(condition, what, milliseconds);
}
