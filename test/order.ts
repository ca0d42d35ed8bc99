/** Runs slow test files first, so that no worker idles at the end of a run. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than about ten seconds, slowest first; all other files run after them. */
const slowFiles: readonly string[] = [
  "faults/faults",
  "fuzz/http",
  "fuzz/sockets",
  "browser/chat",
  "nodes/rotation",
  "stores/link-probe",
  "server/leaks",
  "browser/explorer",
  "browser/origins",
  "server/inspect",
  "server/admin",
  "nodes/previous-version",
  "stores/link-probe-failover",
  "nodes/clocks",
  "client/properties",
  "nodes/nginx",
  "users/postgres",
  "transport/graceful-shutdown",
  "transport/browsers",
  "nodes/secrecy",
  "stores/redis-cluster",
  "transport/refusing-redis",
  "docs",
  "nodes/cluster",
  "server/command",
  "negative-controls/safeguards",
  "transport/outage",
  "transport/admission",
  "browser/client",
  "server/ready",
  "examples/chat",
  "server/metrics",
  "server/kill",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = slowFiles.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`));
      return index === -1 ? slowFiles.length : index;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of the sequencer, not of an array
    const defaultOrder = await super.sort(files);
    return defaultOrder.toSorted((a, b) => rank(a) - rank(b));
  }
}
