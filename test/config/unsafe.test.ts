/** What the start warns of, and what it does not. */
import { expect, test } from "vitest";
import { defaultOptions, type Options } from "../../src/config/options.ts";
import { unsafeSettings } from "../../src/config/unsafe.ts";

const good: Options = {
  ...defaultOptions(true),
  secrets: ["q4Jq2bX9sT7vYw1zK8mN3pR6uA5cD0eF"],
  host: "0.0.0.0",
  redisUrl: "rediss://redis.example:6379",
  databaseUrl: "postgres://user@db.example/curfew?sslmode=verify-full",
};

test("a good production has nothing to be told, nor has a first start", () => {
  expect(unsafeSettings(good, true, false)).toEqual([]);
  expect(unsafeSettings(defaultOptions(false), false, false)).toEqual([]);
});

test.each<[Partial<Options>, RegExp]>([
  [{ graphiql: true }, /^GRAPHIQL /],
  [{ introspection: true }, /^INTROSPECTION /],
  [{ dataDir: ":memory:", redisUrl: undefined }, /^DATA_DIR /],
  [{ host: "127.0.0.1" }, /^TRUST_PROXY /],
  [{ redisUrl: "redis://redis.example" }, /^The link to Redis /],
  [{ redisUrl: undefined, redisClusterNodes: ["10.0.0.1:7000"] }, /^The link to Redis /],
  [
    { redisUrl: undefined, redisSentinels: ["10.0.0.1:1"], redisSentinelName: "m" },
    /^The link to Redis /,
  ],
  [{ databaseUrl: "postgres://user@db.example/curfew?sslmode=require" }, /^The link to Postgre/],
  [{ allowedOrigins: ["http://app.example.com"] }, /^ALLOWED_ORIGINS /],
  [{ maxSocketsPerAddress: 0 }, /^MAX_SESSIONS_PER_USER or /],
  [{ secrets: ["abcabcabcabcabcabcabcabcabcabcabcabc"] }, /^A secret of CURFEW_SECRETS /],
  [{ databaseUrl: undefined }, /each node has users of its own/],
])("in production: %o", (options, warning) => {
  const warnings = unsafeSettings({ ...good, ...options }, true, false);
  expect(warnings).toEqual([expect.stringMatching(warning)]);
  expect(warnings.join()).not.toMatch(/example\b|abcabc|10\.0\.0/);
});

test.each<Partial<Options>>([
  { redisUrl: "redis://127.0.0.1:6379" },
  { redisUrl: undefined, redisSentinels: ["a:1"], redisSentinelName: "rediss://mymaster" },
  { databaseUrl: "postgres:///curfew?host=/run/postgresql" },
  { host: "127.0.0.1", trustProxy: 1 },
])("%o is no less safe", (options) => {
  expect(unsafeSettings({ ...good, ...options }, true, false)).toEqual([]);
});

test("an app's own users are shared as it sees fit", () => {
  expect(unsafeSettings({ ...good, databaseUrl: undefined }, true, true)).toEqual([]);
});

test("what others reach should be set up for production", () => {
  const open = { ...defaultOptions(false), host: "0.0.0.0" };
  expect(unsafeSettings(open, false, false)).toEqual([expect.stringMatching(/^NODE_ENV /)]);
});
