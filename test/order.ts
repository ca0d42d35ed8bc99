/** The order of the test files: the long ones first, so that no run ends with one worker waiting for the other. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Those that take more than some ten seconds, longest first. A file that is not listed runs after them. */
const long: readonly string[] = [
  "faults/faults",
  "fuzz/http",
  "fuzz/sockets",
  "browser/chat",
  "nodes/rotation",
  "server/leaks",
  "browser/explorer",
  "browser/origins",
  "server/inspect",
  "server/admin",
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
  "controls/safeguards",
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
      const index = long.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`));
      return index === -1 ? long.length : index;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- it is the sequencer's, and no array's
    const asEver = await super.sort(files);
    return asEver.toSorted((a, b) => rank(a) - rank(b));
  }
}
