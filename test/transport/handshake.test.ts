/** A session that ends while its socket is being opened: the socket closes, at whatever point that happens. */
import { expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { commandClient, subscriberClient } from "../helpers/adapters.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import {
  countSubscriptions,
  handshakePoints,
  memoryStore,
  memoryPubSub,
  withHandshakeHooks,
  type HandshakePoint,
} from "../helpers/backends.ts";
import { channelsOf, startRedis } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
/** Disables rechecks. */
const unchecked = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };

/** Points inside the server, and points that only a client observes. */
const points = [...handshakePoints, "as connection_init is sent", "when acknowledged", "at random"];

type Plan = ReturnType<typeof withHandshakeHooks>["plan"];

/** Opens a socket, ends its session on the other server at that point, and waits for the close. */
async function run(here: TestCurfew, plan: Plan, point: string, ender: TestCurfew) {
  const { session, tokens } = await here.sessions.start("user", device);
  const { fingerprint } = session;
  let ended: Promise<number> | undefined;
  const end = () => (ended ??= ender.sessions.end(fingerprint, "LOGOUT"));
  if (isInside(point)) plan(point, fingerprint, end);

  await using socket = await new TestSocket(here.socketUrl).opened();
  socket.init({ token: tokens.accessToken });
  if (point === "as connection_init is sent") void end();
  if (point === "when acknowledged") {
    expect(await socket.messages.next()).toMatchObject({ type: "connection_ack" });
    void end();
  }
  if (point === "at random") setTimeout(() => void end(), Math.random() * 6);

  expect(await socket.closed).toEqual(sessionEnded);
  expect(await ended).toBe(1);
}

function isInside(point: string): point is HandshakePoint {
  return handshakePoints.some((one) => one === point);
}

/** Twenty at a time, so that they interleave. */
async function runMany(times: number, one: (point: string) => Promise<void>) {
  for (let i = 0; i < times; i += 20) {
    const batch = Array.from({ length: 20 }, (_, j) => points[(i + j) % points.length] ?? "");
    await Promise.all(batch.map(one));
  }
}

it("a socket closes if its session ends during connection_init (200 runs)", async () => {
  const pubsub = countSubscriptions(memoryPubSub());
  const { plan, ...parts } = withHandshakeHooks({ store: memoryStore(), pubsub: pubsub.part });
  await using curfew = await startCurfew({ backends: parts, ...unchecked });

  await runMany(200, (point) => run(curfew, plan, point, curfew));

  await until(() => curfew.connections.size === 0 && pubsub.subscriptions === 0);
  expect(curfew.connections.fingerprints).toEqual([]);
});

it("a socket closes if another node ends its session during connection_init, over Redis", async () => {
  await using redis = await startRedis();
  const publisher = await commandClient(redis.url);
  const { plan, ...parts } = withHandshakeHooks({
    store: new RedisSessions(publisher),
    pubsub: new RedisPubSub({
      publisher,
      subscriber: await subscriberClient(redis.url),
      onError: (error) => {
        throw error;
      },
    }),
  });
  const options: CurfewOptions = { redisUrl: redis.url, ...unchecked };
  await using here = await startCurfew({ ...options, backends: parts });
  await using there = await startCurfew(options);

  await runMany(200, (point) => run(here, plan, point, there));

  await until(() => here.connections.size === 0);
  await until(async () => (await channelsOf(redis)).length === 0);
});
