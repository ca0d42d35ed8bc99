/** What a start says of itself: where things are kept, which keys sign, which limits hold, what is unsafe. */
import { securityWarnings } from "../config/warnings.ts";
import type { Options } from "../config/load.ts";
import type { Backends } from "./backends.ts";

/** Nothing in it is secret, and no host is named. */
export interface StartupReport {
  readonly sessions:
    "SQLite" | "Redis" | "Redis Sentinel" | "Redis Cluster" | "the app's own store";
  readonly users: "SQLite" | "PostgreSQL" | "the app's own directory";
  /** The ids of the keys; the first signs. */
  readonly keys: readonly string[];
  readonly limits: readonly string[];
  /** What an operator should look at, one sentence each. */
  readonly warnings: readonly string[];
}

export interface StartupFacts {
  readonly options: Options;
  /** The parts that the app brought. */
  readonly own: Partial<Backends>;
  readonly keys: readonly string[];
  /** What is unsafe about the parts. */
  readonly warnings: readonly string[];
  readonly production: boolean;
}

export function startupReport({
  options,
  own,
  keys,
  warnings,
  production,
}: StartupFacts): StartupReport {
  const hasOwnUsers = own.users !== undefined;
  return {
    sessions: own.store === undefined ? sessionsIn(options) : "the app's own store",
    users: hasOwnUsers ? "the app's own directory" : usersIn(options),
    keys,
    limits: [
      `${count(options.maxSessionsPerUser)} sessions a user`,
      `${options.maxSocketsPerSession} sockets a session`,
      `${count(options.maxSocketsPerAddress)} an address`,
      `${options.maxOperationsPerSocket} operations a socket`,
      `${options.maxMessageSize} bytes a message`,
      `${options.maxLoginFailures} wrong passwords`,
    ],
    warnings: [...warnings, ...securityWarnings(options, production, hasOwnUsers)],
  };
}

function sessionsIn({
  redisUrl,
  redisClusterNodes,
  redisSentinels,
}: Options): StartupReport["sessions"] {
  if (redisClusterNodes !== undefined) return "Redis Cluster";
  if (redisSentinels !== undefined) return "Redis Sentinel";
  return redisUrl === undefined ? "SQLite" : "Redis";
}

function usersIn({ databaseUrl }: Options): StartupReport["users"] {
  return databaseUrl === undefined ? "SQLite" : "PostgreSQL";
}

function count(limit: number): string {
  return limit === 0 ? "any number of" : String(limit);
}
