/** How the package is checked: apart from the tests, since it builds, packs and installs. */
import { defineConfig } from "vitest/config";
import { testPatience } from "../helpers/patience.ts";

export default defineConfig({
  test: {
    include: ["test/package/*.check.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: testPatience,
    hookTimeout: 3 * testPatience,
    retry: 0,
  },
});
