/** Warnings about unsafe settings. */
import { expect, test } from "vitest";
import type { Options } from "../../src/config/options.ts";
import { defaultOptions } from "../../src/config/settings.ts";
import { securityWarnings } from "../../src/config/warnings.ts";

const good: Options = {
  ...defaultOptions(true),
  secrets: ["q4Jq2bX9sT7vYw1zK8mN3pR6uA5cD0eF"],
  host: "0.0.0.0",
  redisUrl: "rediss://redis.example:6379",
  databaseUrl: "postgres://user@db.example/curfew?sslmode=verify-full",
};

test("safe production settings and a first start give no warning", () => {
  expect(securityWarnings(good, true, false)).toEqual([]);
  expect(securityWarnings(defaultOptions(false), false, false)).toEqual([]);
});

test.each<[Partial<Options>, RegExp]>([
  [{ graphiql: true }, /^GRAPHIQL /],
  [{ introspection: true }, /^INTROSPECTION /],
  [{ dataDir: ":memory:", redisUrl: undefined }, /^DATA_DIR /],
  [{ host: "127.0.0.1" }, /^TRUST_PROXY /],
  [{ redisUrl: "redis://redis.example" }, /^The connection to Redis /],
  [{ redisUrl: undefined, redisClusterNodes: ["10.0.0.1:7000"] }, /^The connection to Redis /],
  [
    { redisUrl: undefined, redisSentinels: ["10.0.0.1:1"], redisSentinelName: "m" },
    /^The connection to Redis /,
  ],
  [
    { databaseUrl: "postgres://user@db.example/curfew?sslmode=require" },
    /^The connection to Postgre/,
  ],
  [{ allowedOrigins: ["http://app.example.com"] }, /^ALLOWED_ORIGINS /],
  [{ maxSocketsPerAddress: 0 }, /^MAX_SESSIONS_PER_USER or /],
  [{ secrets: ["abcabcabcabcabcabcabcabcabcabcabcabc"] }, /^A secret in CURFEW_SECRETS /],
  [{ databaseUrl: undefined }, /each node has its own users/],
])("production with %o gives one warning", (options, warning) => {
  const warnings = securityWarnings({ ...good, ...options }, true, false);
  expect(warnings).toEqual([expect.stringMatching(warning)]);
  expect(warnings.join()).not.toMatch(/example\b|abcabc|10\.0\.0/);
});

test.each<Partial<Options>>([
  { redisUrl: "redis://127.0.0.1:6379" },
  { redisUrl: undefined, redisSentinels: ["a:1"], redisSentinelName: "rediss://mymaster" },
  { databaseUrl: "postgres:///curfew?host=/run/postgresql" },
  { host: "127.0.0.1", trustProxy: 1 },
])("production with %o gives no warning", (options) => {
  expect(securityWarnings({ ...good, ...options }, true, false)).toEqual([]);
});

test("an app's own user directory gives no warning about DATABASE_URL", () => {
  expect(securityWarnings({ ...good, databaseUrl: undefined }, true, true)).toEqual([]);
});

test("a server that other machines can reach outside of production gives a warning", () => {
  const open = { ...defaultOptions(false), host: "0.0.0.0" };
  expect(securityWarnings(open, false, false)).toEqual([expect.stringMatching(/^NODE_ENV /)]);
});
