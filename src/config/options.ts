/** Every setting: what it does, its unit and its default. */
import type { Limits } from "./limits.ts";

/** In milliseconds. */
const second = 1000;
const day = 86_400 * second;

/** All durations are in milliseconds. Each has a variable in the environment too: see `variables`. */
export interface Options extends Limits {
  /**
   * The address to listen on. The default is reachable from this machine only, so that a first start
   * opens nothing to the network; containers need `0.0.0.0`.
   *
   * @default "127.0.0.1"
   */
  readonly host: string;
  /**
   * 0 takes any free port.
   *
   * @default 4000
   */
  readonly port: number;
  /**
   * Sign the tokens, at least 32 bytes each: the first signs new tokens, all of them verify. Required
   * with Redis or `NODE_ENV=production`; otherwise one is made and kept in `dataDir`.
   *
   * @default undefined
   */
  readonly secrets: readonly string[] | undefined;
  /**
   * The folder for users, sessions and the secret of one machine; `:memory:` keeps nothing.
   *
   * @default "./data"
   */
  readonly dataDir: string;
  /**
   * Where many machines share the users: `postgres://user:password@host:5432/database`. Without it they
   * are in `dataDir`.
   *
   * @default undefined
   */
  readonly databaseUrl: string | undefined;
  /**
   * Where many machines share sessions and topics; one machine needs none.
   *
   * @default undefined
   */
  readonly redisUrl: string | undefined;
  /**
   * Instead of `redisUrl`, some nodes of a Redis Cluster: `host:port`, or URLs with the user, password
   * and TLS that all nodes share.
   *
   * @default undefined
   */
  readonly redisClusterNodes: readonly string[] | undefined;
  /**
   * Instead of `redisUrl`, the Sentinels of a Redis: `host:port`, or URLs with the user, password and
   * TLS that the Sentinels share.
   *
   * @default undefined
   */
  readonly redisSentinels: readonly string[] | undefined;
  /**
   * What the Sentinels call that Redis: `mymaster`, or `redis://user:password@mymaster/0` with its own
   * user, password, database and, by `rediss:`, TLS.
   *
   * @default undefined
   */
  readonly redisSentinelName: string | undefined;
  /**
   * From a login or renewal to the expiry of its access token.
   *
   * @default 1_800_000 (30m)
   */
  readonly accessTokenTtl: number;
  /**
   * From a login or renewal to the end of a session that is not renewed.
   *
   * @default 2_592_000_000 (30d)
   */
  readonly renewalTokenTtl: number;
  /**
   * From the login to the end of the session, renewed or not.
   *
   * @default 7_776_000_000 (90d)
   */
  readonly sessionMaxAge: number;
  /**
   * For how long a used renewal token still gives the current pair; after that it counts as stolen.
   *
   * @default 10_000 (10s)
   */
  readonly renewalGrace: number;
  /**
   * What becomes of a session whose used renewal tokens are used again within `renewalGrace` from a network
   * that it does not know, in three generations in a row: `end` takes that for theft, `audit` writes each
   * down and ends nothing. Networks are compared by /24 (IPv4) and /48 (IPv6).
   *
   * @default "end"
   */
  readonly foreignReplays: (typeof foreignReplayModes)[number];
  /**
   * Which open connections of the session a renewal keeps open past their own token: those of the network that it
   * comes from (/24 for IPv4, /48 for IPv6), or none. All others close when the token that was shown on them
   * expires, unless their client shows a newer one.
   *
   * @default "same-network"
   */
  readonly renewalExtends: (typeof renewalExtensions)[number];
  /**
   * How often connections are checked against the store, in case a message was lost.
   *
   * @default 5_000 (5s)
   */
  readonly recheckInterval: number;
  /**
   * How long connections outlive the store's last answer.
   *
   * @default 30_000 (30s)
   */
  readonly outageGrace: number;
  /**
   * How long a stopping server waits for requests that are being answered, and over how long it closes
   * its connections: evenly, but at least 20 each 100 ms, so that with few of them it stops soon.
   *
   * @default 10_000 (10s)
   */
  readonly drainTime: number;
  /**
   * Passwords that may fail on one account from one address within `attemptWindow`; a right one begins
   * anew. As for each limit by address, an IPv6 network of 64 bits counts as one address.
   *
   * @default 10
   */
  readonly maxLoginFailures: number;
  /**
   * Right passwords on one account from one address within `attemptWindow`.
   *
   * @default 100
   */
  readonly maxLoginsPerAccount: number;
  /**
   * Passwords that may fail from one address, on any accounts; and as many refused renewals. An IPv6
   * network of 56 bits may have four times as many, and one of 48 bits sixteen times.
   *
   * @default 100
   */
  readonly maxFailuresPerAddress: number;
  /**
   * Accounts that may be made from one address within `attemptWindow`, or not be made because there is
   * one of that e-mail. IPv6 networks count as for `maxFailuresPerAddress`.
   *
   * @default 100
   */
  readonly maxRegistrationsPerAddress: number;
  /**
   * From the first of these attempts until all of them are forgotten; in whole seconds, rounded up.
   *
   * @default 900_000 (15m)
   */
  readonly attemptWindow: number;
  /**
   * What a password's hash takes, in KiB; so many hashes as there are threads are computed at a time. The
   * fewer `argon2Passes`, the more it must be.
   *
   * @default 19_456 (19 MiB)
   */
  readonly argon2Memory: number;
  /**
   * How often hashing a password goes over that memory.
   *
   * @default 2
   */
  readonly argon2Passes: number;
  /**
   * Lanes of a password's hash.
   *
   * @default 1
   */
  readonly argon2Parallelism: number;
  /**
   * Origins whose pages may call besides the server's own: `https://app.example.com`, or
   * `https://*.example.com` for all of its subdomains.
   *
   * @default []
   */
  readonly allowedOrigins: readonly string[];
  /**
   * How many proxies stand before the server, whose `X-Forwarded-For` is believed.
   *
   * @default 0
   */
  readonly trustProxy: number;
  /**
   * Serves the explorer, which is GraphiQL with signing in, to browsers.
   *
   * @default true, except with `NODE_ENV=production`
   */
  readonly graphiql: boolean;
  /**
   * Answers questions about the schema.
   *
   * @default true, except with `NODE_ENV=production`
   */
  readonly introspection: boolean;
  /**
   * Who has this, of at least 32 bytes, may read `/metrics`: `Authorization: Bearer …`. Without it
   * everybody may, and with `NODE_ENV=production` nobody.
   *
   * @default undefined
   */
  readonly metricsToken: string | undefined;
  /**
   * The least severe lines that are logged, in pino's words.
   *
   * @default "info"
   */
  readonly logLevel: (typeof logLevels)[number];
}

export const foreignReplayModes = ["end", "audit"] as const;
export const renewalExtensions = ["same-network", "none"] as const;

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** @param production whether `NODE_ENV` is `production` */
export function defaultOptions(production: boolean): Options {
  return {
    host: "127.0.0.1",
    port: 4000,
    secrets: undefined,
    dataDir: "./data",
    databaseUrl: undefined,
    redisUrl: undefined,
    redisClusterNodes: undefined,
    redisSentinels: undefined,
    redisSentinelName: undefined,
    accessTokenTtl: 1800 * second,
    renewalTokenTtl: 30 * day,
    sessionMaxAge: 90 * day,
    renewalGrace: 10 * second,
    foreignReplays: "end",
    renewalExtends: "same-network",
    recheckInterval: 5 * second,
    outageGrace: 30 * second,
    drainTime: 10 * second,
    maxSessionsPerUser: 100,
    maxSocketsPerSession: 100,
    maxOperationsPerSocket: 100,
    maxSocketsPerAddress: 1_000,
    maxMemoryPerSession: 8 * 1024 * 1024,
    maxMessageSize: 256 * 1024,
    maxQueryTokens: 5_000,
    maxQueryDepth: 30,
    maxQueryAliases: 100,
    maxQueryDirectives: 100,
    maxQueryCost: 200_000,
    maxLoginFailures: 10,
    maxLoginsPerAccount: 100,
    maxFailuresPerAddress: 100,
    maxRegistrationsPerAddress: 100,
    attemptWindow: 900 * second,
    argon2Memory: 19_456,
    argon2Passes: 2,
    argon2Parallelism: 1,
    allowedOrigins: [],
    trustProxy: 0,
    graphiql: !production,
    introspection: !production,
    metricsToken: undefined,
    logLevel: "info",
  };
}
