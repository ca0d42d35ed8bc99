/** Formats the output of commands: tables, times and error messages. */
import { resolve } from "node:path";

/** A row of a table. An indented label belongs to the row before. */
export type Fact = readonly [label: string, value: string];

/** Formats rows in two columns. */
export function formatTable(facts: readonly Fact[]): string[] {
  const width = Math.max(...facts.map(([label]) => label.length)) + 2;
  return facts.map(([label, value]) => label.padEnd(width) + value);
}

/** Formats a time in ISO 8601, with its distance from now. */
export function timeText(time: number, now: number): string {
  const span = spanText(Math.abs(time - now));
  return `${new Date(time).toISOString()} (${time > now ? `in ${span}` : `${span} ago`})`;
}

/** Formats a duration in its two largest units. */
function spanText(milliseconds: number): string {
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

/** Returns an error's message, followed by the messages of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error
    ? `${error.message}: ${messageOf(error.cause)}`
    : error.message;
}

/** Explains why a command finds no data in `DATA_DIR`. */
export function noData(dataDir: string): string {
  return dataDir === ":memory:"
    ? "DATA_DIR is :memory:, and only the server can read its memory"
    : `there is no data in ${resolve(dataDir)}`;
}
