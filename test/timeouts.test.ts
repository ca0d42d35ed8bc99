/** No test and no wait has a time limit below the default, which allows for slow machines. */
import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { eventTimeout, testTimeout } from "./helpers/timeouts.ts";

/** The time limits in a test's source that are below the defaults (ms). */
function shortTimeouts(source: string): number[] {
  const limits = (pattern: RegExp) =>
    [...source.matchAll(pattern)].map(([, text = ""]) => Number(text.replaceAll("_", "")));
  return [
    ...limits(/^\s*\}, ([\d_]+)\);$/gm).filter((limit) => limit < testTimeout),
    ...limits(/\{ timeout: ([\d_]+) \}/g).filter((limit) => limit < testTimeout),
    ...limits(/\buntil\(.*, ([\d_]+)\);$/gm).filter((limit) => limit < eventTimeout),
  ];
}

/** Without this file, whose examples break the rule. */
const files = globSync("test/**/*.test.ts").filter((file) => file !== "test/timeouts.test.ts");

it("the test files are found", () => expect(files.length).toBeGreaterThan(100));

it("no test file sets a time limit below the default", () => {
  const found = files.flatMap((file) =>
    shortTimeouts(readFileSync(file, "utf8")).map((limit) => `${file}: ${limit} ms`),
  );
  expect(found).toEqual([]);
});

it.each([
  ['it("a", async () => {\n}, 40_000);', [40_000]],
  ['  it("a", () => {\n  }, 15000);', [15_000]],
  ['it("a", { timeout: 60_000 }, () => {});', [60_000]],
  ['await until(isBack, "it", 20_000);', [20_000]],
  [`it("a", { timeout: ${testTimeout} }, () => {\n}, 1_000_000);`, []],
  ['await until(() => count === 1_000);\nawait until(isBack, "it");', []],
])("the limits below the default are found in %j", (source, expected) => {
  expect(shortTimeouts(source)).toEqual(expected);
});
