/** Prints the outcomes for people. */
import type { Machine } from "./machine.ts";
import type { Estimate } from "./stats.ts";
import { isMet, type Figure, type Outcome } from "./workload.ts";

export interface Report extends Machine {
  readonly outcomes: readonly Outcome[];
}

export function print(outcome: Outcome, seconds: number): void {
  const { workload, work, rows, figures } = outcome;
  const measures = Object.keys(rows[0]?.measures ?? {});
  console.log(`\n${workload}: ${work} (${seconds.toFixed(0)} s)\n`);
  table([
    ["", ...measures],
    ...rows.map((row) => [row.name, ...measures.map((name) => estimateText(row.measures[name]))]),
  ]);
  console.log();
  table([
    ["figure", "median and 95 % interval", "A/A control", "target", ""],
    ...figures.map((figure) => [
      figure.name,
      `${estimateText(figure.value)}${figure.unit && ` ${figure.unit}`}`,
      figure.control ? estimateText(figure.control) : "",
      targetText(figure),
      figure.target ? (isMet(figure) ? "met" : "NOT MET") : "",
    ]),
  ]);
}

/** Rounds to three digits: more would be noise. */
export function shortNumber(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function targetText({ target }: Pick<Figure, "target">): string {
  if (target?.atLeast !== undefined) return `≥ ${target.atLeast}`;
  return target?.atMost === undefined ? "" : `≤ ${target.atMost}`;
}

export function estimateText(value: Estimate | undefined): string {
  if (value === undefined) return "";
  return `${shortNumber(value.median)} [${shortNumber(value.low)}, ${shortNumber(value.high)}]`;
}

function table(lines: readonly (readonly string[])[]): void {
  const widths = (lines[0] ?? []).map((_, i) =>
    Math.max(...lines.map((line) => line[i]?.length ?? 0)),
  );
  for (const line of lines)
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}
