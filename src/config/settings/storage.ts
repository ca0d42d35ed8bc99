/** Settings of what the server stores and where, and of the keys that sign tokens. */
import { z } from "zod";
import { databaseUrl } from "../database.ts";
import { boolean, list, secretText, text, wholeNumber, type AnySetting } from "../kinds.ts";
import { redisEndpoints, redisSentinelName } from "../redis.ts";

export const storage = {
  secrets: {
    variable: "CURFEW_SECRETS",
    kind: list(
      z
        .array(secretText, "a list of secrets")
        .min(1, "at least one secret")
        .refine((all) => new Set(all).size === all.length, "different from each other"),
    ),
    default: undefined,
    unset: "generated, and stored in `dataDir`",
    example: "newest-secret,older-secret",
    secrecy: "secret",
    about: "Secrets that sign tokens, newest first, at least 32 bytes each.",
    details:
      "The first one signs new tokens; all of them verify tokens. Required with Redis or `NODE_ENV=production`. Otherwise the first start generates a secret and stores it in `dataDir`.",
  },
  dataDir: {
    variable: "DATA_DIR",
    kind: text(z.string("a string").regex(/\S/, "a folder, or :memory:")),
    default: "./data",
    example: "./data",
    about: "The folder for one machine's users and sessions; `:memory:` stores nothing on disk.",
    details:
      "It holds an SQLite database and the generated secret. `:memory:` loses everything at exit.",
  },
  databaseUrl: {
    variable: "DATABASE_URL",
    kind: text(databaseUrl),
    default: undefined,
    unset: "users are in `dataDir`",
    example: "postgres://user:password@localhost:5432/curfew",
    secrecy: "may contain a password",
    about: "A PostgreSQL database that stores the users for many machines.",
    details: "For example `postgres://user:password@host:5432/database`.",
  },
  redisUrl: {
    variable: "REDIS_URL",
    kind: text(
      z.url({ protocol: /^rediss?$/, hostname: /./, error: "a redis:// or rediss:// URL" }),
    ),
    default: undefined,
    unset: "sessions are in `dataDir`",
    example: "redis://localhost:6379",
    secrecy: "may contain a password",
    about: "A Redis that stores sessions and carries messages for many nodes.",
    details:
      "One machine needs none. Nodes that share sessions should share their users too: set `databaseUrl`.",
  },
  redisClusterNodes: {
    variable: "REDIS_CLUSTER_NODES",
    kind: list(redisEndpoints),
    default: undefined,
    example: "10.0.0.1:6379,10.0.0.2:6379",
    secrecy: "may contain a password",
    about: "Some nodes of a Redis Cluster, instead of `redisUrl`.",
    details:
      "Each is `host:port`, or a URL. URLs have the user, password and TLS that all nodes share.",
  },
  redisSentinels: {
    variable: "REDIS_SENTINELS",
    kind: list(redisEndpoints),
    default: undefined,
    example: "10.0.0.1:26379,10.0.0.2:26379",
    secrecy: "may contain a password",
    about: "The Sentinels of a Redis, instead of `redisUrl`.",
    details:
      "Each is `host:port`, or a URL. URLs have the user, password and TLS that the Sentinels share. Set `redisSentinelName` too.",
  },
  redisChannelPrefix: {
    variable: "REDIS_CHANNEL_PREFIX",
    kind: text(
      z
        .string("a string")
        .regex(/^[\w.-]{1,64}$/, "1 to 64 letters, digits, dots, dashes or underscores"),
    ),
    default: undefined,
    example: "staging",
    about: "A word in the names of all Redis channels.",
    details:
      "Deployments that share one database of Redis need different words, or each receives the other's messages. Keys have no prefix.",
  },
  redisChannelDatabase: {
    variable: "REDIS_CHANNEL_DATABASE",
    kind: boolean(),
    default: true,
    example: "true",
    about: "Whether the names of Redis channels include the number of the database.",
    details:
      "Redis sends messages to the subscribers of all databases. In database 0 nothing changes. Set it to false while nodes of a version before 0.2 use another database, because their names do not include it.",
  },
  endReplicas: {
    variable: "END_REPLICAS",
    kind: wholeNumber(0, 16),
    default: 0,
    example: "1",
    about:
      "How many replicas of Redis must have the end of a session before the server confirms it.",
    details:
      "If too few have it within a second, the answer is `SERVICE_UNAVAILABLE`, which means that the end may be lost in a failover; it is safe to repeat. Each end then takes one round trip more, and that of the replicas. This narrows the time in which a failover loses an end, and Redis's `min-replicas-to-write` limits it.",
  },
  redisSentinelName: {
    variable: "REDIS_SENTINEL_NAME",
    kind: text(redisSentinelName),
    default: undefined,
    example: "mymaster",
    secrecy: "may contain a password",
    about: "The name that the Sentinels use for the Redis master.",
    details:
      "Either the name alone, or `redis://user:password@mymaster/0` with the master's own user, password and database; `rediss:` adds TLS.",
  },
} as const satisfies Record<string, AnySetting>;
