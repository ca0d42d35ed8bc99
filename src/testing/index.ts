/** `curfew/contracts`: the contract of each port as a vitest suite, for authors of adapters. */
export { sessionStoreContract, type MadeStore } from "./session-store.ts";
export { pubSubContract, type MadePubSub } from "./pubsub.ts";
export { userDirectoryContract } from "./user-directory.ts";
