/** Runs each fault once; `npm run faults` runs them many times. */
import { describe, expect, it } from "vitest";
import { scenarios } from "./faults.ts";
import { runScenario } from "./scenario.ts";

const seed = 20_260;

describe("connections of ended sessions close within their bound under the fault", () => {
  it.concurrent.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    { timeout: 1_000_000 },
    async (_, scenario) => {
      // On a busy machine no connection may open before its session ends: such a run proves nothing.
      for (let run = seed; run < seed + 3; run += 1) {
        const { faults, closes } = await runScenario(scenario, run);
        expect(faults).toEqual([]);
        if (closes > 0) return;
      }
      expect.fail("No run had an open connection whose session ended");
    },
  );
});
