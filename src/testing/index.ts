/** `curfew/contracts`: what every adapter of a port has to do, as suites of tests for vitest. */
export { sessionStoreContract, type MadeStore } from "./session-store.ts";
export { pubSubContract as topicsContract, type MadePubSub as MadeTopics } from "./pubsub.ts";
export { userDirectoryContract } from "./user-directory.ts";
