/** The chart. */
import type { Report } from "./report.ts";
export function chart(report: Report): string {
  return report.date;
}
