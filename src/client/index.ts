/** `curfew/client`: the session of an app, for browsers and Node. */
export * from "./contract.ts";
export type { Environment } from "./environment.ts";
export type { TokenStorage } from "./pair.ts";
export { createSession, type SessionOptions } from "./session.ts";
