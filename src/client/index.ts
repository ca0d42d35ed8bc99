/** `curfew/client`: the session of an app, for browsers and Node. */
export * from "./types.ts";
export type { Platform } from "./platform.ts";
export type { TokenStorage } from "./stored-tokens.ts";
export { createSession, type SessionOptions } from "./session.ts";
