/** `/ready` reports the backend that is down, tested by stopping the real one. */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { readinessOf } from "../../src/http/health.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { breakable, memoryStore, memoryUsers } from "../helpers/backends.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { startRedis } from "../helpers/redis.ts";
import { connect } from "../helpers/socket.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";

async function readiness(url: string) {
  const response = await fetch(new URL("/ready", url));
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  return { status: response.status, ...((await response.json()) as object) };
}

const up = (...names: string[]) => ({
  status: 200,
  ready: true,
  draining: false,
  parts: Object.fromEntries(names.map((name) => [name, "up"])),
});
const down = (parts: object) => ({ status: 503, ready: false, draining: false, parts });

it("/ready fails while Redis is down, and recovers with it", async () => {
  await using redis = await startRedis();
  await using curfew = await startCurfew({ redisUrl: redis.url });
  const all = up("redis", "subscriber", "database");
  expect(await readiness(curfew.url)).toEqual(all);
  await redis.kill();
  const state = down({ redis: "down", subscriber: "down", database: "up" });
  await until(async () => (await readiness(curfew.url)).status === 503, "it to be red");
  expect(await readiness(curfew.url)).toEqual(state);
  await redis.restart();
  await until(async () => (await readiness(curfew.url)).status === 200, "it to be green");
  expect(await readiness(curfew.url)).toEqual(all);
});

it("/ready responds within its timeout while Redis hangs", async () => {
  await using redis = await startRedis();
  await using curfew = await startCurfew({ redisUrl: redis.url });
  redis.freeze();
  try {
    const elapsed = stopwatch();
    const states = await Promise.all([readiness(curfew.url), readiness(curfew.url)]);
    expect(elapsed()).toBeLessThan(3_000);
    for (const state of states)
      expect(state).toEqual(down({ redis: "down", subscriber: "down", database: "up" }));
  } finally {
    redis.thaw();
  }
});

it("/ready reports the subscriber's connection separately", async () => {
  await using redis = await startRedis();
  await using curfew = await startCurfew({ redisUrl: redis.url });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  const operator = new Redis(redis.port);
  try {
    // Redis has room for the operator and for the server's command connection, but for no reconnecting subscriber.
    await operator.call("CONFIG", "SET", "maxclients", 2);
    await operator.call("CLIENT", "KILL", "TYPE", "pubsub");
    const state = down({ redis: "up", subscriber: "down", database: "up" });
    await until(async () => (await readiness(curfew.url)).status === 503, "it to be red");
    expect(await readiness(curfew.url)).toEqual(state);
    await operator.call("CONFIG", "SET", "maxclients", 1000);
    await until(async () => (await readiness(curfew.url)).status === 200, "it to be green");
    expect(socket.ws.readyState).toBe(socket.ws.OPEN);
  } finally {
    operator.disconnect();
  }
});

it("concurrent requests to /ready share one check, and a draining node is not ready", async () => {
  const gate = Promise.withResolvers<void>();
  let pings = 0;
  const ping = async () => {
    pings += 1;
    await gate.promise;
  };
  let draining = false;
  const read = readinessOf([{ name: "store", ping }], 1_000, () => draining);
  const asked = Array.from({ length: 20 }, () => read());
  gate.resolve();
  for (const state of await Promise.all(asked))
    expect(state).toEqual({ ready: true, draining: false, parts: { store: "up" } });
  expect(pings).toBe(1);
  draining = true;
  expect(await read()).toEqual({ ready: false, draining: true, parts: { store: "up" } });
  expect(pings).toBe(2);
});

it("/ready reports PostgreSQL independently of Redis", async () => {
  await using postgres = await PostgresServer.start();
  await using redis = await startRedis();
  const databaseUrl = await postgres.newDatabase();
  await using curfew = await startCurfew({ redisUrl: redis.url, databaseUrl });
  expect(await readiness(curfew.url)).toEqual(up("redis", "subscriber", "database"));
  await postgres.kill();
  const state = down({ redis: "up", subscriber: "up", database: "down" });
  await until(async () => (await readiness(curfew.url)).status === 503, "it to be red");
  expect(await readiness(curfew.url)).toEqual(state);
  await postgres.restart();
  await until(async () => (await readiness(curfew.url)).status === 200, "it to be green");
});

it("/ready fails while PostgreSQL is read-only", async () => {
  await using postgres = await PostgresServer.start();
  await using redis = await startRedis();
  const databaseUrl = await postgres.newDatabase();
  const { pathname } = new URL(databaseUrl);
  const setReadOnly = async (value: "on" | "off") => {
    const admin = postgres.urlOf("postgres");
    const name = pathname.slice(1);
    await postgres.query(
      admin,
      `ALTER DATABASE ${name} SET default_transaction_read_only = ${value}`,
    );
    // The setting applies to new connections.
    await postgres.query(
      admin,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
    );
  };
  await using curfew = await startCurfew({ redisUrl: redis.url, databaseUrl });
  await setReadOnly("on");
  const state = down({ redis: "up", subscriber: "up", database: "down" });
  await until(async () => (await readiness(curfew.url)).status === 503, "it to be red");
  expect(await readiness(curfew.url)).toEqual(state);
  const { values } = await metricsOf(curfew.url);
  expect(values.get('curfew_part_up{part="database"}')).toBe(0);
  expect(values.get('curfew_part_up{part="redis"}')).toBe(1);
  await setReadOnly("off");
  await until(async () => (await readiness(curfew.url)).status === 200, "it to be green");
});

it("/ready checks one database on one machine, and an app's own backends by their role", async () => {
  await using alone = await startCurfew();
  expect(await readiness(alone.url)).toEqual(up("database"));
  const store = breakable(memoryStore());
  await using own = await startCurfew({ backends: { store: store.part, users: memoryUsers() } });
  expect(await readiness(own.url)).toEqual(up("store", "users"));
  store.goDown();
  expect(await readiness(own.url)).toEqual(down({ store: "down", users: "up" }));
});

it("/ready names no host and no user", async () => {
  await using redis = await startRedis();
  await using curfew = await startCurfew({ redisUrl: redis.url });
  const { sessionId } = await register(curfew.url);
  await redis.kill();
  const text = await (await fetch(new URL("/ready", curfew.url))).text();
  for (const hidden of [String(redis.port), "127.0.0.1", "redis://", sessionId])
    expect(text).not.toContain(hidden);
});
