/** Builds the report of a start: where data is stored, which keys sign, which limits apply, what is unsafe. */
import { securityWarnings } from "../config/warnings.ts";
import type { Options } from "../config/load.ts";
import type { Backends } from "./backends.ts";

/** The report that a start logs and prints. It contains no secret and no host. */
export interface StartupReport {
  readonly sessions:
    "SQLite" | "Redis" | "Redis Sentinel" | "Redis Cluster" | "the app's own store";
  readonly users: "SQLite" | "PostgreSQL" | "the app's own directory";
  /** The ids of the signing keys. The first one signs; all of them verify. */
  readonly keys: readonly string[];
  readonly limits: readonly string[];
  /** One sentence for each problem that the operator should look at. */
  readonly warnings: readonly string[];
}

export interface StartupFacts {
  readonly options: Options;
  /** The backends that the app provides. */
  readonly appBackends: Partial<Backends>;
  readonly keys: readonly string[];
  /** Warnings about the backends. */
  readonly warnings: readonly string[];
  readonly production: boolean;
}

export function startupReport({
  options,
  appBackends,
  keys,
  warnings,
  production,
}: StartupFacts): StartupReport {
  const hasOwnUsers = appBackends.users !== undefined;
  return {
    sessions: appBackends.store === undefined ? sessionsIn(options) : "the app's own store",
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
