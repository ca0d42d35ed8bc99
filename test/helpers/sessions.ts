/** Sessions for tests of stores: those of the contract's suite. */
export * from "../../src/testing/samples.ts";
