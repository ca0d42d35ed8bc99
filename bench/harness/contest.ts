/**
 * Compares contenders in blocks. Each block has a round of every contender in both orders (A B B A), so that a
 * machine that becomes faster or slower meanwhile favours none of them. The first contender takes part twice: the
 * difference between its two halves (the A/A control) is the noise of this machine.
 */
import { estimate, type Estimate } from "./stats.ts";

/** The measurements of a round, by name. */
export type Sample = Readonly<Record<string, number>>;

export interface Contender {
  readonly name: string;
  /** Starts fresh processes, does a fixed piece of work, and leaves nothing behind. */
  readonly round: () => Promise<Sample>;
}

export interface Contest {
  /** The first contender takes part twice, unless it is the only one. */
  readonly contenders: readonly Contender[];
  readonly blocks: number;
  /** Whether each block has both orders. For long rounds, blocks alternate between the two orders instead. */
  readonly mirrored: boolean;
  /** Called after each round. */
  readonly onRound?: (name: string, sample: Sample) => void;
}

export const controlSuffix = " (again)";

export class Results {
  /** By contender, one sample for each block. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;

  constructor(samples: ReadonlyMap<string, readonly Sample[]>) {
    this.samples = samples;
  }

  /** Estimates a contender's measure. */
  estimate(name: string, measure: string): Estimate {
    return estimate(this.#values(name, measure));
  }

  /** Estimates the ratio of two contenders, computed block by block. */
  ratio(of: string, over: string, measure: string, overMeasure = measure): Estimate {
    const divisors = this.#values(over, overMeasure);
    return estimate(
      this.#values(of, measure).map((value, i) => value / (divisors[i] ?? Number.NaN)),
    );
  }

  /** The ratio of a contender's two halves (A/A control); undefined if it took part only once. */
  control(of: string, measure: string): Estimate | undefined {
    return this.samples.has(of + controlSuffix)
      ? this.ratio(of + controlSuffix, of, measure)
      : undefined;
  }

  #values(name: string, measure: string): readonly number[] {
    const samples = this.samples.get(name) ?? [];
    return samples.map((sample) => sample[measure] ?? Number.NaN);
  }
}

export async function runContest(contest: Contest): Promise<Results> {
  const { blocks, mirrored, onRound } = contest;
  const [first, ...rivals] = contest.contenders;
  if (first === undefined) throw new Error("A contest needs a contender.");
  const control = { name: first.name + controlSuffix, round: () => first.round() };
  const contenders = rivals.length === 0 ? [first] : [first, control, ...rivals];
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  for (let block = 0; block < blocks; block += 1) {
    // A fixed position in the order would also favour a contender.
    const turn = (mirrored ? block : Math.floor(block / 2)) % contenders.length;
    const there = [...contenders.slice(turn), ...contenders.slice(0, turn)];
    const back = there.toReversed();
    const order = mirrored ? [...there, ...back] : block % 2 === 0 ? there : back;
    const rounds = Map.groupBy(await inTurn(order, onRound), ({ name }) => name);
    for (const [name, ofName] of rounds)
      samples.get(name)?.push(mean(ofName.map(({ sample }) => sample)));
  }
  return new Results(samples);
}

async function inTurn(order: readonly Contender[], onRound: Contest["onRound"]) {
  const rounds: { name: string; sample: Sample }[] = [];
  for (const { name, round } of order) {
    const sample = await round();
    rounds.push({ name, sample });
    onRound?.(name, sample);
  }
  return rounds;
}

function mean(samples: readonly Sample[]): Sample {
  const names = Object.keys(samples[0] ?? {});
  const meanOf = (name: string) =>
    samples.reduce((sum, sample) => sum + (sample[name] ?? Number.NaN), 0) / samples.length;
  return Object.fromEntries(names.map((name) => [name, meanOf(name)]));
}
