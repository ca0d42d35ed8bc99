/** Waits for what no event tells of, with a deadline instead of a sleep. */
import { setTimeout as pause } from "node:timers/promises";

export async function until(
  condition: () => boolean | Promise<boolean>,
  what = "the condition",
  milliseconds = 10_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`In vain: waited for ${what}`);
    await pause(5);
  }
}
