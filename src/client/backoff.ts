/** How long to wait before the next attempt: longer each time, and everybody differently. */

/** Milliseconds. */
const first = 500;
/**
 * At first: it may be that only the answer was lost, and the next renewal has to come within the 10 s in
 * which the server gives it again.
 */
const longestSoon = 3_000;
const longest = 15_000;
const soon = 10;

/**
 * Milliseconds: half of it fixed, so that nobody hammers, and half of it chance, so that those who lost one
 * server together do not find the next one together.
 * @param failures how many there were before this one
 */
export function backoff(failures: number, random: () => number): number {
  const most = failures < soon ? longestSoon : longest;
  return Math.min(most, first * 2 ** failures) * (0.5 + random() / 2);
}
