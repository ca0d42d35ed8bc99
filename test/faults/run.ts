/** `npm run faults`: runs every scenario many times and prints the guaranteed bounds beside the worst measured times. */
import { parseArgs } from "node:util";
import { scenarios } from "./faults.ts";
import { runScenario, type Run } from "./scenario.ts";
import type { Scenario } from "./guarantees.ts";

const { values } = parseArgs({
  options: {
    /** Number of runs of each scenario. */
    runs: { type: "string", default: "20" },
    /** Number of concurrent runs. */
    parallel: { type: "string", default: "2" },
    /** Seed of the first run; each further run uses the next number. */
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Runs only the scenarios whose name contains this text. */
    only: { type: "string", default: "" },
  },
});

const unhandled: unknown[] = [];
process.on("unhandledRejection", (error) => unhandled.push(error));

const chosen = scenarios.filter(({ name }) => name.includes(values.only));
const results = new Map<Scenario, Run[]>(chosen.map((scenario) => [scenario, []]));
const queue = Array.from(
  { length: Number(values.runs) },
  (_, i) => Number(values.seed) + i,
).flatMap((seed) => chosen.map((scenario) => ({ scenario, seed })));
let failed = queue.length === 0;

await Promise.all(Array.from({ length: Number(values.parallel) }, work));
process.stdout.write(`${table()}\n`);
const finished = [...results.values()].flat();
print(
  `${finished.length} runs, ${finished.filter(({ faults }) => faults.length > 0).length} with a fault`,
);
for (const error of unhandled) print(`Unhandled in the run: ${String(error)}`);
process.exitCode = failed || unhandled.length > 0 ? 1 : 0;

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { scenario, seed } = next;
    try {
      const run = await runScenario(scenario, seed);
      results.get(scenario)?.push(run);
      print(`${scenario.name} (seed ${seed}): ${Math.round(run.worst)} ms, ${queue.length} to go`);
      if (run.faults.length === 0) continue;
      print(["  FAILED", ...run.faults].join("\n  "));
    } catch (error) {
      print(`${scenario.name} (seed ${seed}) could not be run: ${String(error)}`);
    }
    failed = true;
  }
}

function table(): string {
  const columns = [
    "fault",
    "promised within",
    `worst seen in ${values.runs} runs`,
    "connections ended",
    "accepted uses after the end",
    "connections past the bound",
  ];
  const rows = [...results].map(([{ name, guarantee, bounds }, runs]) => [
    name,
    `${bounds.end} ms: ${guarantee}`,
    `${Math.round(Math.max(0, ...runs.map(({ worst }) => worst)))} ms`,
    sum(runs.map(({ closes }) => closes)),
    acceptedUses(runs),
    sum(runs.map(({ pastBound }) => pastBound)),
  ]);
  const lines = [columns, columns.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** With the uses that the bound of the scenario allows in brackets. */
function acceptedUses(runs: readonly Run[]): string {
  const within = sum(runs.map(({ acceptedWhileForgotten }) => acceptedWhileForgotten));
  const past = sum(runs.map(({ acceptedAfterEnd }) => acceptedAfterEnd));
  if (within === 0) return `${past}`;
  const last = Math.round(Math.max(...runs.map(({ lastAccepted }) => lastAccepted)));
  return `${past} (within the bound: ${within}, up to ${last} ms)`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** Prints to standard error: standard output holds only the table. */
function print(text: string): void {
  process.stderr.write(`${text}\n`);
}
