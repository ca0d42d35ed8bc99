/** How the options are written in the environment. */
import type { Options } from "./options.ts";

export type Name = keyof Options;

interface Variable {
  readonly name: string;
  readonly example: string;
  /** What cannot be read stays text, for the rules to refuse. */
  readonly read: (text: string) => unknown;
}

export const variables: Readonly<Record<Name, Variable>> = {
  host: { name: "HOST", example: "0.0.0.0", read: asText },
  port: { name: "PORT", example: "4000", read: asNumber },
  secrets: { name: "CURFEW_SECRETS", example: "newest-secret,older-secret", read: asList },
  dataDir: { name: "DATA_DIR", example: "./data", read: asText },
  databaseUrl: {
    name: "DATABASE_URL",
    example: "postgres://user:password@localhost:5432/curfew",
    read: asText,
  },
  redisUrl: { name: "REDIS_URL", example: "redis://localhost:6379", read: asText },
  redisClusterNodes: {
    name: "REDIS_CLUSTER_NODES",
    example: "10.0.0.1:6379,10.0.0.2:6379",
    read: asList,
  },
  redisSentinels: {
    name: "REDIS_SENTINELS",
    example: "10.0.0.1:26379,10.0.0.2:26379",
    read: asList,
  },
  redisSentinelName: { name: "REDIS_SENTINEL_NAME", example: "mymaster", read: asText },
  accessTokenTtl: { name: "ACCESS_TOKEN_TTL", example: "30m", read: asDuration },
  renewalTokenTtl: { name: "RENEWAL_TOKEN_TTL", example: "30d", read: asDuration },
  sessionMaxAge: { name: "SESSION_MAX_AGE", example: "90d", read: asDuration },
  renewalGrace: { name: "RENEWAL_GRACE", example: "10s", read: asDuration },
  foreignReplays: { name: "FOREIGN_REPLAYS", example: "audit", read: asText },
  renewalExtends: { name: "RENEWAL_EXTENDS", example: "none", read: asText },
  recheckInterval: { name: "RECHECK_INTERVAL", example: "5s", read: asDuration },
  outageGrace: { name: "OUTAGE_GRACE", example: "30s", read: asDuration },
  drainTime: { name: "DRAIN_TIME", example: "10s", read: asDuration },
  maxSessionsPerUser: { name: "MAX_SESSIONS_PER_USER", example: "100", read: asNumber },
  maxSocketsPerSession: { name: "MAX_SOCKETS_PER_SESSION", example: "100", read: asNumber },
  maxOperationsPerSocket: { name: "MAX_OPERATIONS_PER_SOCKET", example: "100", read: asNumber },
  maxSocketsPerAddress: { name: "MAX_SOCKETS_PER_ADDRESS", example: "1000", read: asNumber },
  maxMemoryPerSession: { name: "MAX_MEMORY_PER_SESSION", example: "8388608", read: asNumber },
  maxMessageSize: { name: "MAX_MESSAGE_SIZE", example: "262144", read: asNumber },
  maxQueryTokens: { name: "MAX_QUERY_TOKENS", example: "5000", read: asNumber },
  maxQueryDepth: { name: "MAX_QUERY_DEPTH", example: "30", read: asNumber },
  maxQueryAliases: { name: "MAX_QUERY_ALIASES", example: "100", read: asNumber },
  maxQueryDirectives: { name: "MAX_QUERY_DIRECTIVES", example: "100", read: asNumber },
  maxQueryCost: { name: "MAX_QUERY_COST", example: "200000", read: asNumber },
  argon2Memory: { name: "ARGON2_MEMORY", example: "65536", read: asNumber },
  argon2Passes: { name: "ARGON2_PASSES", example: "3", read: asNumber },
  argon2Parallelism: { name: "ARGON2_PARALLELISM", example: "1", read: asNumber },
  maxLoginFailures: { name: "MAX_LOGIN_FAILURES", example: "10", read: asNumber },
  maxLoginsPerAccount: { name: "MAX_LOGINS_PER_ACCOUNT", example: "100", read: asNumber },
  maxFailuresPerAddress: { name: "MAX_FAILURES_PER_ADDRESS", example: "100", read: asNumber },
  maxRegistrationsPerAddress: {
    name: "MAX_REGISTRATIONS_PER_ADDRESS",
    example: "100",
    read: asNumber,
  },
  attemptWindow: { name: "ATTEMPT_WINDOW", example: "15m", read: asDuration },
  allowedOrigins: { name: "ALLOWED_ORIGINS", example: "https://*.example.com", read: asList },
  trustProxy: { name: "TRUST_PROXY", example: "1", read: asNumber },
  graphiql: { name: "GRAPHIQL", example: "true", read: asFlag },
  introspection: { name: "INTROSPECTION", example: "true", read: asFlag },
  metricsToken: {
    name: "METRICS_TOKEN",
    example: "what-only-prometheus-and-its-admins-know",
    read: asText,
  },
  logLevel: { name: "LOG_LEVEL", example: "info", read: asText },
};

/** Where sessions are shared: at most one of these. */
export const redisSettings = ["redisUrl", "redisClusterNodes", "redisSentinels"] as const;

/** Are secrets as they stand. */
export const secrets: readonly Name[] = ["secrets", "metricsToken"];

/** May hold a password. */
export const secretSettings: readonly Name[] = [
  ...secrets,
  "databaseUrl",
  "redisSentinelName",
  ...redisSettings,
];

export const names = Object.keys(variables) as Name[];

/** Kubernetes gives every container such variables about the services beside it, say CURFEW_PORT. */
export function isServiceLink(name: string, text: string): boolean {
  return /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_\w+$/.test(name) || /^(tcp|udp|sctp):/.test(text);
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

/** Milliseconds as a variable has them: `1_800_000` is `30m`. */
export function inUnits(milliseconds: number): string {
  const [unit, size] = units.find(([, length]) => milliseconds % length === 0) ?? ["ms", 1];
  return `${milliseconds / size}${unit}`;
}

function asText(text: string): string {
  return text;
}

function asNumber(text: string): unknown {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function asDuration(text: string): unknown {
  const [, count, unit] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  const size = units.find(([name]) => name === unit)?.[1];
  return size === undefined ? text : Number(count) * size;
}

function asFlag(text: string): unknown {
  return text === "true" || (text === "false" ? false : text);
}

function asList(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  return items.filter((item) => item !== "");
}
