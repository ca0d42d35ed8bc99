/** What a workload is, and what comes of it. */
import { hold, type Contender, type Results, type Sample } from "./contest.ts";
import type { Setting } from "./setting.ts";
import type { Estimate } from "./stats.ts";

export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Something that is claimed, or would be if it were true. */
export interface Figure {
  readonly name: string;
  /** Empty for a ratio. */
  readonly unit: "" | "ms" | "KB";
  readonly value: Estimate;
  /** The same ratio of Curfew to itself; of an absolute figure too. */
  readonly control?: Estimate | undefined;
  readonly target?: Target;
}

/** What each contender did, by measure. */
export interface Row {
  readonly name: string;
  readonly measures: Readonly<Record<string, Estimate>>;
}

export interface Outcome {
  readonly workload: string;
  /** What was done, in a line. */
  readonly work: string;
  readonly rows: readonly Row[];
  readonly figures: readonly Figure[];
}

export interface Bench {
  readonly setting: Setting;
  /** A look at whether it works: few blocks of little work, and no figure to be believed. */
  readonly quick: boolean;
  readonly note: (name: string, sample: Sample) => void;
}

export type Workload = (bench: Bench) => Promise<Outcome>;

export interface Effort {
  /** @default 7 */
  readonly blocks?: number;
  /** Whether each block goes there and back; where rounds are long, one goes there and the next one back. */
  readonly mirrored?: boolean;
}

export function compete(
  bench: Bench,
  contenders: readonly Contender[],
  { blocks = 7, mirrored = true }: Effort = {},
): Promise<Results> {
  return hold({ contenders, blocks: bench.quick ? 2 : blocks, mirrored, onRound: bench.note });
}

export function rowsOf(results: Results): Row[] {
  return [...results.samples].map(([name, [first = {}]]) => ({
    name,
    measures: Object.fromEntries(
      Object.keys(first).map((measure) => [measure, results.estimate(name, measure)]),
    ),
  }));
}

export function isMet({ value, target }: Figure): boolean {
  const { atLeast = -Infinity, atMost = Infinity } = target ?? {};
  return value.median >= atLeast && value.median <= atMost;
}
