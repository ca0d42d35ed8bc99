/** Draws the bar chart, legible on a light page and on a dark one. */
import { controlSuffix } from "./contest.ts";
import { shortNumber, type Report } from "./report.ts";
import type { Row } from "./workload.ts";

interface Panel {
  readonly title: string;
  readonly workload: string;
  readonly measure: string;
}

const panels: readonly Panel[] = [
  {
    title: "HTTP requests per second, each with its session checked in Redis",
    workload: "http",
    measure: "per second",
  },
  { title: "Sockets connected per second", workload: "connect", measure: "per second" },
  { title: "Memory of an idle socket, KB", workload: "sockets", measure: "KB idle" },
  {
    title: "From a logout on one node to 10,000 sockets closed on another, ms",
    workload: "logout",
    measure: "10000: ms",
  },
];

const [width, labels, values, line, gap] = [720, 210, 70, 24, 40];

export function chart(report: Report): string {
  const parts: string[] = [];
  let y = 0;
  for (const { title, workload, measure } of panels) {
    const rows = report.outcomes.find((outcome) => outcome.workload === workload)?.rows ?? [];
    const shown = rows.filter(
      ({ name, measures }) => !name.endsWith(controlSuffix) && measures[measure],
    );
    if (shown.length === 0) continue;
    parts.push(`<text class="title" x="0" y="${y + 16}">${escaped(title)}</text>`);
    parts.push(...bars(shown, measure, y + 26));
    y += 26 + shown.length * line + gap;
  }
  const { cpu, cores, date, versions } = report;
  const foot = `${date}, ${cores} × ${cpu}, Node ${versions["node"]}, Redis ${versions["redis"]}. Lines: 95 % intervals.`;
  parts.push(`<text class="foot" x="0" y="${y}">${escaped(foot)}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 10}" role="img" aria-label="Benchmark of Curfew">
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .foot { font-size: 11px; fill: #6e7781 }
  .label { text-anchor: end }
  .bar { fill: #afb8c1 }
  .own { fill: #0969da }
  line { stroke: #24292f; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .foot { fill: #8d96a0 }
    .bar { fill: #484f58 }
    .own { fill: #4493f8 }
    line { stroke: #e6edf3 }
  }
</style>
${parts.join("\n")}
</svg>
`;
}

function bars(rows: readonly Row[], measure: string, top: number): string[] {
  const highest = Math.max(...rows.map(({ measures }) => measures[measure]?.high ?? 0));
  const length = (value: number) => (Math.max(0, value) / highest) * (width - labels - values);
  return rows.flatMap(({ name, measures }, i) => {
    const { median = 0, low = 0, high = 0 } = measures[measure] ?? {};
    const [y, middle] = [top + i * line, top + i * line + 9];
    const own = name.startsWith("Curfew") ? " own" : "";
    const at = (value: number) => (labels + length(value)).toFixed(1);
    return [
      `<text class="label" x="${labels - 8}" y="${y + 14}">${escaped(name)}</text>`,
      `<rect class="bar${own}" x="${labels}" y="${y}" width="${length(median).toFixed(1)}" height="18" rx="2"/>`,
      `<line x1="${at(low)}" x2="${at(high)}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${(labels + length(high) + 8).toFixed(1)}" y="${y + 14}">${shortNumber(median)}</text>`,
    ];
  });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
