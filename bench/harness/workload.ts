/** The types of a workload and its outcome, and functions that run its contest. */
import { runContest, type Contender, type Results, type Sample } from "./contest.ts";
import type { BenchEnvironment } from "./environment.ts";
import type { Estimate } from "./stats.ts";

export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A figure that Curfew claims, or would claim if it met its target. */
export interface Figure {
  readonly name: string;
  /** Empty for a ratio. */
  readonly unit: "" | "ms" | "KB";
  readonly value: Estimate;
  /** The A/A control: the ratio of Curfew to itself, also for an absolute figure. */
  readonly control?: Estimate | undefined;
  readonly target?: Target;
}

/** The estimates of one contender, by measure. */
export interface Row {
  readonly name: string;
  readonly measures: Readonly<Record<string, Estimate>>;
}

export interface Outcome {
  readonly workload: string;
  /** One line that describes the work. */
  readonly work: string;
  readonly rows: readonly Row[];
  readonly figures: readonly Figure[];
}

export interface Bench {
  readonly environment: BenchEnvironment;
  /** Only checks that the workload works: few blocks with little work, whose figures mean nothing. */
  readonly quick: boolean;
  readonly note: (name: string, sample: Sample) => void;
}

export type Workload = (bench: Bench) => Promise<Outcome>;

export interface Effort {
  /** @default 7 */
  readonly blocks?: number;
  /** Whether each block has both orders; see `Contest`. */
  readonly mirrored?: boolean;
}

export function compete(
  bench: Bench,
  contenders: readonly Contender[],
  { blocks = 7, mirrored = true }: Effort = {},
): Promise<Results> {
  return runContest({
    contenders,
    blocks: bench.quick ? 2 : blocks,
    mirrored,
    onRound: bench.note,
  });
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
