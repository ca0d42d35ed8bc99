/** Writes the results of a run: results.json, the chart, and the tables in docs/benchmarks.md. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { format } from "prettier";
import { controlSuffix } from "./contest.ts";
import { chart } from "./chart.ts";
import type { Machine } from "./machine.ts";
import { estimateText, targetText, type Report } from "./report.ts";
import { isMet, type Outcome } from "./workload.ts";

const results = new URL("../results.json", import.meta.url);
const picture = new URL("../results.svg", import.meta.url);
const page = new URL("../../docs/benchmarks.md", import.meta.url);
const [begin, end] = ["<!-- figures -->", "<!-- end of figures -->"];

/**
 * Saves the outcomes. Keeps earlier outcomes of other workloads if they come from this machine and these versions.
 *
 * @param order of the workloads, by name
 */
export async function saveOutcomes(
  machine: Machine,
  outcomes: readonly Outcome[],
  order: readonly string[],
): Promise<void> {
  const kept = (await keptOutcomes(machine)).filter((old) =>
    outcomes.every(({ workload }) => workload !== old.workload),
  );
  const all = [...outcomes, ...kept].toSorted(
    (a, b) => order.indexOf(a.workload) - order.indexOf(b.workload),
  );
  const report: Report = { ...machine, outcomes: all };
  await writeFile(results, await format(JSON.stringify(report, rounded), { parser: "json" }));
  await writeFile(picture, chart(report));
  const text = await readFile(page, "utf8");
  const [before = "", rest = ""] = text.split(begin, 2);
  const after = rest.slice(rest.indexOf(end));
  const written = `${before}${begin}\n\n${tables(report)}\n\n${after}`;
  await writeFile(page, await format(written, { parser: "markdown" }));
}

async function keptOutcomes({ cpu, cores, versions }: Machine): Promise<readonly Outcome[]> {
  if (!existsSync(results)) return [];
  const old = JSON.parse(await readFile(results, "utf8")) as Report;
  const same =
    JSON.stringify([old.cpu, old.cores, old.versions]) === JSON.stringify([cpu, cores, versions]);
  return same ? old.outcomes : [];
}

function tables({ date, cpu, cores, versions, outcomes }: Report): string {
  const figures = outcomes.flatMap(({ workload, figures: own }) =>
    own.map((figure) => [
      workload,
      figure.name,
      `${estimateText(figure.value)}${figure.unit && ` ${figure.unit}`}`,
      figure.control ? estimateText(figure.control) : "",
      targetText(figure),
      figure.target ? (isMet(figure) ? "yes" : "no") : "",
    ]),
  );
  const head = ["workload", "figure", "median [95 %]", "A/A control", "target", "met"];
  const details = outcomes.map(({ workload, work, rows }) => {
    const measures = [...new Set(rows.flatMap((row) => Object.keys(row.measures)))];
    const shown = rows.filter(({ name }) => !name.endsWith(controlSuffix));
    const cells = shown.map(({ name, measures: of }) => [
      name,
      ...measures.map((measure) => estimateText(of[measure])),
    ]);
    return `### ${workload}\n\n${work}.\n\n${table([["", ...measures], ...cells])}`;
  });
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date} with ${cores} cores of ${cpu}: ${list.join(", ")}.`,
    table([head, ...figures]),
    ...details,
  ].join("\n\n");
}

function table([head = [], ...lines]: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n");
}

/** Rounds numbers: more digits would be noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}
