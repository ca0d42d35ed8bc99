/** `curfew/contracts`: the contract of each port as a vitest suite, for authors of adapters. */
export { sessionStoreContract, type MadeStore } from "./session-store.ts";
export { pubSubContract as topicsContract, type MadePubSub as MadeTopics } from "./pubsub.ts";
export { userDirectoryContract } from "./user-directory.ts";
