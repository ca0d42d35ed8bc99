/** How the tests run: real servers and browsers on few cores, so few files at once and no retries. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Node takes the CommonJS build of graphql everywhere; a second copy would not know the first one's errors.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    setupFiles: ["test/helpers/every-test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 15_000,
    hookTimeout: 15_000,
    retry: 0,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ["default"],
  },
});
