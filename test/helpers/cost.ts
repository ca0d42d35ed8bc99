/** Measures work in CPU time, which does not depend on the machine's load. */

/** CPU time of this thread (ms). */
export function threadCost(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

/** CPU time of this process (ms). */
export async function processCost(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** The larger input is this many times as long as the smaller one. */
export const sizeRatio = 8;

/**
 * Whether the cost grows linearly: 8 times as much for 8 times the text, where quadratic work costs 64 times.
 *
 * @param floor a cost below this counts as linear in any case (ms)
 */
export function isLinear(small: number, large: number, floor: number): boolean {
  return large <= Math.max(floor, 3 * sizeRatio * small);
}
