/** Rights that the Redis user lacks stop a start, and turn `/ready` red while running; likewise a Redis of the wrong kind. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { tryLogin } from "../helpers/http.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

let redis: RedisServer;
expectNothingUnhandled();

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const password = "hunter2";
const all = ["resetkeys", "~curfew:*", "resetchannels", "&curfew:*", "+@all"] as const;
const allow = (...rules: readonly string[]) =>
  redis.command("ACL", "SETUSER", "app", "on", `>${password}`, ...all, ...rules);
const redisUrl = () => `redis://app:${password}@127.0.0.1:${redis.port}`;

async function readiness(url: string) {
  const response = await fetch(new URL("/ready", url));
  return (await response.json()) as { ready: boolean; parts: Record<string, string> };
}

interface Lack {
  readonly rules: readonly string[];
  /** The parts that are down. */
  readonly down: readonly ("redis" | "subscriber")[];
  /** A part of the error. */
  readonly names: string;
}

const lacks: Readonly<Record<string, Lack>> = {
  SET: { rules: ["-set"], down: ["redis"], names: "SET on keys curfew:*" },
  EVAL: { rules: ["-eval"], down: [], names: "EVAL" },
  EVALSHA: { rules: ["-evalsha"], down: ["redis"], names: "EVALSHA" },
  INCRBY: { rules: ["-incrby"], down: ["redis"], names: "INCRBY" },
  "any key": { rules: ["resetkeys"], down: ["redis"], names: "on keys curfew:*" },
  "keys of the rate limits": {
    rules: ["resetkeys", "~curfew:probe:*"],
    down: ["redis"],
    names: "on keys curfew:attempts:*",
  },
  GETDEL: { rules: ["-getdel"], down: [], names: "GETDEL" },
  ZADD: { rules: ["-zadd"], down: [], names: "ZADD" },
  ZSCAN: { rules: ["-zscan"], down: [], names: "ZSCAN" },
  MGET: { rules: ["-mget"], down: [], names: "MGET" },
  PUBLISH: { rules: ["-publish"], down: ["subscriber"], names: "PUBLISH to channels curfew:*" },
  SUBSCRIBE: { rules: ["-subscribe"], down: ["subscriber"], names: "SUBSCRIBE to channels" },
  channels: { rules: ["resetchannels"], down: ["subscriber"], names: "to channels curfew:*" },
};

describe("a Redis user without", () => {
  afterEach(() => redis.command("ACL", "DELUSER", "app"));

  it.each(Object.entries(lacks))("%s stops the start", async (_, { rules, names }) => {
    await redis.command("SCRIPT", "FLUSH");
    await allow(...rules);
    const error: unknown = await startCurfew({ redisUrl: redisUrl() }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toMatch(/^Redis at 127\.0\.0\.1:\d+ cannot be used: Redis refuses /);
    expect(message).toContain(names);
    expect(message).toMatch(/NOPERM|No permissions|ACL|can't run this command|has no permissions/);
    expect(message).toContain("docs/operations.md");
    expect(message).not.toContain(password);
  });

  it.each(Object.entries(lacks).filter(([, { down }]) => down.length > 0))(
    "%s while the node runs turns /ready red and is logged once",
    async (_, { rules, down, names }) => {
      await allow();
      await using curfew = await startCurfew({ redisUrl: redisUrl() });
      expect(await readiness(curfew.url)).toMatchObject({ ready: true });
      await allow(...rules);
      const areDown = async () => {
        const { parts } = await readiness(curfew.url);
        return down.every((part) => parts[part] === "down");
      };
      await until(areDown, "/ready to be red");
      const lines = () =>
        curfew.log.filter(({ msg, cause }) => {
          return String(msg).endsWith("is lost") && String(cause).includes(names);
        });
      await until(() => lines().length > 0, "the line");
      await allow();
      await until(async () => (await readiness(curfew.url)).ready, "/ready to be green");
      const causes = lines().map(({ cause }) => cause);
      expect(causes).toHaveLength(new Set(causes).size);
      const back = curfew.log.filter(({ msg }) => String(msg).endsWith("is back"));
      expect(back).toHaveLength(1);
      expect(JSON.stringify(curfew.log)).not.toContain(password);
    },
  );
});

it("each master of a cluster is tried", async () => {
  await using cluster = await RedisCluster.start();
  await using _ = await startCurfew({ redisClusterNodes: cluster.endpoints });
  await cluster.nodes[1]?.command("ACL", "SETUSER", "default", "-getdel");
  const start = startCurfew({ redisClusterNodes: cluster.endpoints });
  await expect(start).rejects.toThrow(/cannot be used: Redis refuses GETDEL on keys curfew:\*/);
});

it("a replica is refused", async () => {
  await using replica = await startRedis();
  await replica.command("REPLICAOF", "127.0.0.1", redis.port);
  const replicaUrl = { redisUrl: replica.url };
  await expect(startCurfew(replicaUrl)).rejects.toThrow("it is a replica");
  await replica.command("ACL", "SETUSER", "default", "-info");
  await expect(startCurfew(replicaUrl)).rejects.toThrow("it is a replica");
});

it("full memory stops no start, and is red in /ready, the log and the metrics until it is over", async () => {
  await using full = await startRedis();
  await full.command("CONFIG", "SET", "maxmemory", 1);
  await using curfew = await startCurfew({ redisUrl: full.url });
  expect((await readiness(curfew.url)).parts).toMatchObject({ redis: "down", subscriber: "up" });
  const isUp = async (series: string) => (await metricsOf(curfew.url)).values.get(series);
  expect(await isUp('curfew_link_up{link="commands"}')).toBe(0);
  expect(await isUp('curfew_link_up{link="subscriber"}')).toBe(1);
  expect(await isUp('curfew_part_up{part="redis"}')).toBe(0);
  const { log } = curfew;
  expect(log).toContainEqual(
    expect.objectContaining({
      cause: expect.stringContaining("OOM command not allowed") as unknown,
    }),
  );
  await full.command("CONFIG", "SET", "maxmemory", 0);
  await until(async () => (await readiness(curfew.url)).ready, "/ready to be green");
  expect(await isUp('curfew_link_up{link="commands"}')).toBe(1);
  expect(log.filter(({ msg }) => String(msg).endsWith("is lost"))).toHaveLength(1);
});

it("rate limits that fall back to the node's memory are counted, and warned of once", async () => {
  await using failing = await startRedis();
  await using curfew = await startCurfew({ redisUrl: failing.url });
  const fallbacks = async () =>
    (await metricsOf(curfew.url)).values.get("curfew_limiter_fallback_total");
  await tryLogin(curfew.url, "a@example.com", "a wrong password");
  expect(await fallbacks()).toBe(0);
  await failing.command("ACL", "SETUSER", "default", "-incrby");
  for (let i = 0; i < 3; i += 1) await tryLogin(curfew.url, "a@example.com", "a wrong password");
  expect(await fallbacks()).toBeGreaterThan(2);
  const warned = curfew.log.filter(({ msg }) => String(msg).includes("count on this node only"));
  expect(warned).toHaveLength(1);
});
