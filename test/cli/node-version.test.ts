/** Whether the Node will do, which says so before anything that it lacks is loaded. */
import { expect, it } from "vitest";
import { nodeFault } from "../../src/cli/node-version.ts";

it.each(["v20.20.2", "v22.23.1", "v23.0.0"])("%s is too old, and that is said", (version) => {
  expect(nodeFault(version)).toBe(`Curfew needs Node 24 or newer; this is ${version}.`);
});

it.each(["v24.0.0", "v26.1.0-nightly", process.version])("%s will do", (version) => {
  expect(nodeFault(version)).toBeUndefined();
});
