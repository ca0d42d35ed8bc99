/** How the package is checked: apart from the tests, since it builds, packs and installs. */
import { defineConfig } from "vitest/config";
import { testTimeout } from "../helpers/timeouts.ts";

export default defineConfig({
  test: {
    include: ["test/package/*.check.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: testTimeout,
    hookTimeout: 3 * testTimeout,
    retry: 0,
  },
});
