/** No test or wait is given less time than all have: that is chosen for slow machines. */
import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { eventTimeout, testTimeout } from "./helpers/timeouts.ts";

/** The limits in a test's source that are below what all have (ms). */
function hasty(source: string): number[] {
  const limits = (pattern: RegExp) =>
    [...source.matchAll(pattern)].map(([, text = ""]) => Number(text.replaceAll("_", "")));
  return [
    ...limits(/^\s*\}, ([\d_]+)\);$/gm).filter((limit) => limit < testTimeout),
    ...limits(/\{ timeout: ([\d_]+) \}/g).filter((limit) => limit < testTimeout),
    ...limits(/\buntil\(.*, ([\d_]+)\);$/gm).filter((limit) => limit < eventTimeout),
  ];
}

/** But this one, whose examples break the rule. */
const files = globSync("test/**/*.test.ts").filter((file) => file !== "test/timeouts.test.ts");

it("the tests are found", () => expect(files.length).toBeGreaterThan(100));

it("they all leave that time", () => {
  const found = files.flatMap((file) =>
    hasty(readFileSync(file, "utf8")).map((limit) => `${file}: ${limit} ms`),
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
])("less is found in %j", (source, expected) => {
  expect(hasty(source)).toEqual(expected);
});
