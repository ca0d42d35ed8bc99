/** Runs the benchmark: `npm run bench` all workloads, `npm run bench -- NAME …` some; `--quick` only checks that they work. */
import { openEnvironment } from "./harness/environment.ts";
import { machine } from "./harness/machine.ts";
import { saveOutcomes } from "./harness/files.ts";
import { print } from "./harness/report.ts";
import type { Outcome } from "./harness/workload.ts";
import { workloads } from "./workloads/all.ts";

// An exit handler removes what a run leaves behind, also after a signal.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const known = Object.keys(workloads);
const quick = process.argv.includes("--quick");
const names = process.argv.slice(2).filter((argument) => argument !== "--quick");
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0)
  throw new Error(`Unknown workload: ${unknown.join(", ")}. Known: ${known.join(", ")}.`);

const started = performance.now();
const outcomes: Outcome[] = [];
for (const [name, workload] of Object.entries(workloads)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const began = performance.now();
  await using environment = await openEnvironment();
  const note = (contender: string, sample: object) => {
    if (process.stderr.isTTY || process.env["BENCH_ROUNDS"] !== undefined)
      console.error(`  ${contender}`, JSON.stringify(sample));
  };
  const outcome = await workload({ environment, quick, note });
  outcomes.push(outcome);
  print(outcome, (performance.now() - began) / 1_000);
}
if (!quick) await saveOutcomes(machine(), outcomes, known);
console.log(`\n${((performance.now() - started) / 60_000).toFixed(1)} minutes`);
