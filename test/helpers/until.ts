/** Waits for what no event tells of, as the contracts' suites do. */
export { until } from "../../src/contracts/until.ts";
