/** Polls for conditions that no event reports, with a deadline instead of a sleep. */
import { setTimeout as pause } from "node:timers/promises";

export async function until(
  condition: () => boolean | Promise<boolean>,
  what = "the condition",
  milliseconds = 10_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Timed out waiting for ${what}`);
    await pause(5);
  }
}
