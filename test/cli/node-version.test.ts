/** The check of Node's version, before modules that need a newer one are loaded. */
import { expect, it } from "vitest";
import { nodeVersionError } from "../../src/cli/node-version.ts";

it.each(["v20.20.2", "v22.23.1", "v23.0.0"])("Node %s is refused with a message", (version) => {
  expect(nodeVersionError(version)).toBe(`Curfew needs Node 24 or newer; this is ${version}.`);
});

it.each(["v24.0.0", "v26.1.0-nightly", process.version])("Node %s is accepted", (version) => {
  expect(nodeVersionError(version)).toBeUndefined();
});
