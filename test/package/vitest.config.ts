/** How the package is checked: apart from the tests, since it builds, packs and installs. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/package/*.check.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    retry: 0,
  },
});
