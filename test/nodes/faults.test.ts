/** Two nodes on a failing Redis: ended sessions stay ended, and their sockets close in time. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { commandClient, subscriberClient } from "../helpers/adapters.ts";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, logout, register } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { intercept } from "../helpers/backends.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { openStream } from "../helpers/sse.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
const tryAgainLater = { code: 1013, reason: "TRY_AGAIN_LATER" };

let redis: RedisServer;
const recordUnhandled = expectNothingUnhandled();

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

/** A pub/sub that loses every published message. */
async function mutePubSub() {
  const publisher = await commandClient(redis.url);
  const subscriber = await subscriberClient(redis.url);
  const pubsub = new RedisPubSub({ publisher, subscriber, onError: recordUnhandled });
  return intercept(pubsub, {
    publish: () => () => Promise.reject(new StoreUnavailable("The test lost the message.")),
    close: (real) => async () => {
      await real();
      publisher.disconnect();
    },
  });
}

it("a logout whose message is lost succeeds, closes this node's sockets at once and other nodes' at their recheck", async () => {
  const mute = { backends: { pubsub: await mutePubSub() } };
  await using nodes = await startNodes(
    redis,
    { recheckInterval: 250 },
    { ...rareRechecks, ...mute },
  );
  const { here, there } = nodes;
  const { accessToken } = await register(there.url);
  await using local = await connect(there.socketUrl, accessToken);
  await using remote = await connect(here.socketUrl, accessToken);

  expect(await logout(there.url, accessToken)).toBe(1);

  expect(await local.closed).toEqual(sessionEnded);
  expect(await remote.closed).toEqual(sessionEnded);
  expect(there.log).toContainEqual(
    expect.objectContaining({ msg: "a message to the other nodes was not sent" }),
  );
});

it("a message that is lost while the subscriber is disconnected is made up for when it reconnects", async () => {
  const mute = { backends: { pubsub: await mutePubSub() } };
  await using nodes = await startNodes(redis, rareRechecks, mute);
  const { here, there } = nodes;
  const { accessToken } = await register(there.url);
  await using socket = await connect(here.socketUrl, accessToken);
  expect(await logout(there.url, accessToken)).toBe(1);
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  expect(await socket.closed).toEqual(sessionEnded);
});

it("a logout while the subscriber is disconnected closes the sockets, at the latest when it reconnects", async () => {
  await using nodes = await startNodes(redis, rareRechecks);
  const { here, there } = nodes;
  for (let i = 0; i < 3; i += 1) {
    const ended = await register(there.url);
    const open = await register(there.url);
    await using socket = await connect(here.socketUrl, ended.accessToken);
    await using other = await connect(here.socketUrl, open.accessToken);
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    expect(await logout(there.url, ended.accessToken)).toBe(1);
    expect(await socket.closed).toEqual(sessionEnded);
    other.send({ type: "ping" });
    expect(await other.messages.next()).toEqual({ type: "pong" });
  }
});

it("while Redis hangs, no client is refused as signed out, and connections close with a retryable code after the grace", async () => {
  const short = { recheckInterval: 100, outageGrace: 300 };
  await using curfew = await startCurfew({ redisUrl: redis.url, ...testApp().schema, ...short });
  const { accessToken: token, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  await using stream = await openStream(curfew.url, "subscription { said }", { token });
  await stream.events.next();

  redis.freeze();
  try {
    const { errors } = await ask(curfew.url, "{ own }", { token });
    expect(errors?.[0]?.extensions).toEqual({ code: "SERVICE_UNAVAILABLE" });
    expect(await socket.closed).toEqual(tryAgainLater);
    const { data } = await stream.events.next();
    expect(data.errors[0].extensions).toEqual({ code: "SERVICE_UNAVAILABLE" });
    await using refused = await new TestSocket(curfew.socketUrl).opened();
    refused.init({ token });
    expect(await refused.closed).toEqual(tryAgainLater);
    expect(JSON.stringify(curfew.log)).not.toContain("UNAUTHENTICATED");
  } finally {
    redis.thaw();
  }
  const isBack = async () => (await ask(curfew.url, "{ own }", { token })).errors === undefined;
  await until(isBack, "Redis to respond");
  await using again = await connect(curfew.socketUrl, token);
  expect(again.ack.sessionId).toBe(sessionId);
});

it("a logout without a reply from Redis is safe to retry, and the session's sockets close in any case", async () => {
  await using nodes = await startNodes(redis, { recheckInterval: 250 });
  const { here, there } = nodes;
  const { accessToken: token } = await register(here.url);
  await using socket = await connect(there.socketUrl, token);
  const end = () => ask(here.url, "mutation { logout { endedSessions } }", { token });
  redis.freeze();
  const { errors } = await end();
  redis.thaw();
  expect(errors?.[0]?.extensions).toEqual({ code: "SERVICE_UNAVAILABLE" });
  await until(async () => (await end()).errors === undefined, "Redis to respond");
  expect(await socket.closed).toEqual(sessionEnded);
  const answer = await ask(there.url, "{ viewer { user { id } } }", { token });
  expect(answer).toEqual({ status: 200, data: { viewer: null } });
});

it("a node that starts after a failover ends again what the others remember, although they die before they do", async () => {
  await using failed = await startCurfew({ redisUrl: redis.url });
  const { accessToken, sessionId } = await register(failed.url);
  const key = `curfew:session:{${sessionId}}`;
  const record = String(await redis.command("GET", key));
  await logout(failed.url, accessToken);
  // As after the loss of the end, which the first node has not noticed.
  await redis.command("SET", key, record);
  await using started = await startCurfew({ redisUrl: redis.url });
  await until(async () => (await redis.command("GET", key)) !== record, "the end in Redis");
  expect(started.log).toContainEqual(
    expect.objectContaining({ event: "endReplayed", fingerprint: sessionId }),
  );
});
