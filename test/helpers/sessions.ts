/** Sample sessions for tests of stores, from the contract suite. */
export * from "../../src/testing/samples.ts";
