/** `npm run faults`: plays every scenario many times and prints what was promised beside the worst that was seen. */
import { parseArgs } from "node:util";
import { scenarios } from "./faults.ts";
import { play, type Run } from "./scenario.ts";
import type { Scenario } from "./promise.ts";

const { values } = parseArgs({
  options: {
    /** How often each scenario is played. */
    runs: { type: "string", default: "20" },
    /** How many are played at the same time. */
    parallel: { type: "string", default: "2" },
    /** Of the first run; each further one has the next. */
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Only scenarios whose name contains it. */
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
const played = [...results.values()].flat();
say(
  `${played.length} runs, ${played.filter(({ faults }) => faults.length > 0).length} with a fault`,
);
for (const error of unhandled) say(`Unhandled in the run: ${String(error)}`);
process.exitCode = failed || unhandled.length > 0 ? 1 : 0;

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { scenario, seed } = next;
    try {
      const run = await play(scenario, seed);
      results.get(scenario)?.push(run);
      say(`${scenario.name} (seed ${seed}): ${Math.round(run.worst)} ms, ${queue.length} to go`);
      if (run.faults.length === 0) continue;
      say(["  FAILED", ...run.faults].join("\n  "));
    } catch (error) {
      say(`${scenario.name} (seed ${seed}) could not be played: ${String(error)}`);
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
  const rows = [...results].map(([{ name, promise, bounds }, runs]) => [
    name,
    `${bounds.end} ms: ${promise}`,
    `${Math.round(Math.max(0, ...runs.map(({ worst }) => worst)))} ms`,
    sum(runs.map(({ closes }) => closes)),
    sum(runs.map(({ acceptedAfterEnd }) => acceptedAfterEnd)),
    sum(runs.map(({ pastBound }) => pastBound)),
  ]);
  const lines = [columns, columns.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** Beside the table, which alone goes to the standard output. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
