/** How commands print for people: facts in two columns, moments, faults. */
import { resolve } from "node:path";

/** A label with what there is to say; an indented label belongs to the one before. */
export type Fact = readonly [label: string, value: string];

export function table(facts: readonly Fact[]): string[] {
  const width = Math.max(...facts.map(([label]) => label.length)) + 2;
  return facts.map(([label, value]) => label.padEnd(width) + value);
}

/** With how long that is from now. */
export function moment(time: number, now: number): string {
  const span = duration(Math.abs(time - now));
  return `${new Date(time).toISOString()} (${time > now ? `in ${span}` : `${span} ago`})`;
}

/** To its two largest units. */
function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  const shown = first < 0 ? units.slice(-1) : units.slice(first, first + 2);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}

/** With what caused it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error
    ? `${error.message}: ${messageOf(error.cause)}`
    : error.message;
}

/** Why there is nothing to look at in this `DATA_DIR`. */
export function noData(dataDir: string): string {
  return dataDir === ":memory:"
    ? "what is in memory only the server itself can see"
    : `there is no data in ${resolve(dataDir)}`;
}
