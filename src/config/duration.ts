/** Reads and writes durations in the format of the settings: `30m` is 1,800,000 milliseconds. */

/** Each unit's length in milliseconds. The longest unit comes first. */
const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

/** Returns the duration in milliseconds, or `undefined` if the text is not a duration. */
export function readDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  const unitLength = units.find(([unitName]) => unitName === unit)?.[1];
  return unitLength === undefined ? undefined : Number(count) * unitLength;
}

/** Returns the duration as text, in the longest unit that gives a whole number: `1_800_000` gives `30m`. */
export function writeDuration(milliseconds: number): string {
  const [unit, unitLength] = units.find(([, length]) => milliseconds % length === 0) ?? ["ms", 1];
  return `${milliseconds / unitLength}${unit}`;
}
