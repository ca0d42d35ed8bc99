/** What work costs, in CPU time, so that a busy machine does not count. */

/** Milliseconds of this thread. */
export function threadCost(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

/** Milliseconds of this process. */
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

/** The size of the smaller input is an eighth of the larger one's. */
export const sizeRatio = 8;

/** Linear work costs eight times as much for eight times the text, quadratic work 64 times. */
export function isLinear(small: number, large: number, floor: number): boolean {
  return large <= Math.max(floor, 3 * sizeRatio * small);
}
