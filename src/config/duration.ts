/** Durations as settings have them: `30m` is 1,800,000 milliseconds. */

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

/** Returns milliseconds, or `undefined` if the text is no duration. */
export function readDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  const size = units.find(([name]) => name === unit)?.[1];
  return size === undefined ? undefined : Number(count) * size;
}

/** Writes milliseconds in the largest unit that fits: `1_800_000` is `30m`. */
export function writeDuration(milliseconds: number): string {
  const [unit, size] = units.find(([, length]) => milliseconds % length === 0) ?? ["ms", 1];
  return `${milliseconds / size}${unit}`;
}
