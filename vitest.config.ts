/** Configures the tests: few files at once, because they start real servers and browsers, and no retries. */
import { defineConfig } from "vitest/config";
import { testTimeout } from "./test/helpers/timeouts.ts";
import { LongestFirst } from "./test/order.ts";

if (Number.parseInt(process.versions.node) < 24)
  throw new Error(`The tests need Node 24, which \`npx vitest\` runs; this is ${process.version}.`);

export default defineConfig({
  // Use one copy of graphql, the CommonJS build that Node loads: a second copy does not recognise the first one's errors.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    setupFiles: ["test/helpers/secrecy-check.ts"],
    pool: "forks",
    maxWorkers: 2,
    maxConcurrency: 3,
    testTimeout,
    hookTimeout: testTimeout,
    teardownTimeout: testTimeout,
    retry: 0,
    dangerouslyIgnoreUnhandledErrors: false,
    sequence: { sequencer: LongestFirst },
    reporters: ["./test/progress.ts"],
  },
});
