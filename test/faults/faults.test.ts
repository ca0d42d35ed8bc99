/** Each fault once: `npm run faults` plays them many times. */
import { describe, expect, it } from "vitest";
import { scenarios } from "./faults.ts";
import { play } from "./play.ts";

const seed = 20_260;

describe("the promise is kept, whatever fails", () => {
  it.concurrent.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (_, scenario) => {
      const run = await play(scenario, seed);
      expect(run.faults).toEqual([]);
      expect(run.closes).toBeGreaterThan(0);
    },
  );
});
