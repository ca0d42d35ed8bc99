/** `sessionEvents` after Redis was away: missed events are found, by a bounded number of reads. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Deadlines } from "../../src/lib/deadlines.ts";
import { nodeLimits } from "../../src/node/limits.ts";
import { sessionTopic } from "../../src/session/messages.ts";
import { Watches } from "../../src/session/watch.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { commandClient, probeLinks, subscriberClient } from "../helpers/adapters.ts";
import { intercept } from "../helpers/backends.ts";
import { rethrow, rethrowReported } from "../helpers/domain.ts";
import { login, newEmail, register } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { startProxy } from "../helpers/proxy.ts";
import { monitor } from "../helpers/redis-monitor.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { device, newSession } from "../helpers/sessions.ts";
import { connect, watchSessions } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

let redis: RedisServer;
expectNothingUnhandled();
beforeAll(async () => void (redis = await startRedis()));
afterAll(async () => redis[Symbol.asyncDispose]());

it("an end while Redis hung is reported although the subscriber is back before the store", async () => {
  await using proxy = await startProxy(redis.port);
  const commands = await commandClient(`redis://127.0.0.1:${proxy.port}`);
  const subscriber = await subscriberClient(redis.url);
  const lists = { started: 0, done: 0 };
  const store = intercept(new RedisSessions(commands), {
    listByUser:
      (real) =>
      async (...args) => {
        lists.started += 1;
        return real(...args).finally(() => (lists.done += 1));
      },
  });
  const pubsub = new RedisPubSub({ publisher: commands, subscriber, onError: rethrow });
  await using opened = new AsyncDisposableStack();
  opened.adopt(await probeLinks({ commands, subscriber }), (probe) => probe.close());
  await using nodes = await startNodes(redis, rareRechecks, { backends: { store, pubsub } });
  const { here, there } = nodes;
  const email = newEmail();
  const watcher = await register(there.url, email);
  await using socket = await connect(there.socketUrl, watcher.accessToken);
  const { of: nextEventOf } = await watchSessions(socket, () =>
    here.sessions.start(watcher.userId, device),
  );
  const { sessionId: id } = await login(here.url, email);
  expect(await nextEventOf(id)).toMatchObject({ type: "STARTED" });
  const topic = sessionTopic(id);
  await until(async () => String(await redis.command("PUBSUB", "NUMSUB", topic)) === `${topic},1`);
  await until(() => lists.done === lists.started, "the lists");

  let gaps = 0;
  pubsub.onMessagesMissed(() => (gaps += 1));
  redis.freeze();
  proxy.stall();
  await pause(7_000);
  redis.thaw();
  await redis.command("DEL", `curfew:session:{${id}}`);
  const failure = "watched sessions could not be read";
  const failures = () => there.log.filter(({ msg }) => String(msg).includes(failure));
  await until(() => gaps > 0 && failures().length > 0, "the failed list");
  const started = lists.started;
  await until(() => lists.started > started, "the next try");
  proxy.heal();
  expect(await nextEventOf(id)).toEqual({ type: "ENDED", endReason: null });
  expect(failures()).toHaveLength(1);
});

it("after one gap, a node lists a thousand watched users once each, sixteen at a time", async () => {
  const commands = await commandClient(redis.url, 30_000);
  const subscriber = await subscriberClient(redis.url);
  const store = new RedisSessions(commands);
  const pubsub = new RedisPubSub({ publisher: commands, subscriber, onError: rethrow });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => store.close());
  opened.defer(() => pubsub.close());
  const load = { now: 0, most: 0, lists: 0 };
  const watches = new Watches({
    pubsub,
    deadlines: new Deadlines(Date.now(), rethrowReported),
    clock: Date.now,
    list: async (userId) => {
      load.most = Math.max(load.most, (load.now += 1));
      const sessions = await store.listByUser(userId, Date.now());
      load.now -= 1;
      load.lists += 1;
      return sessions;
    },
    readMany: (fingerprints) => store.readMany(fingerprints, Date.now()),
    pause: (then) => void setImmediate(then),
    rereads: {
      ...nodeLimits.watchRereads,
      wait: (milliseconds, then) => void setTimeout(then, milliseconds),
      random: Math.random,
    },
    reportError: rethrowReported,
  });
  const users = Array.from({ length: 1_000 }, (_, i) => `watched ${i}`);
  for (const user of users) await store.create(newSession(user, Date.now()));
  for (const user of users) await watches.watch(user);
  await Promise.all(Array.from({ length: 99 }, () => watches.watch("watched 0")));

  Object.assign(load, { most: 0, lists: 0 });
  await using recorded = await monitor(redis);
  const sent = await recorded.during(async () => {
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => load.lists === 1_000 && load.now === 0, "the lists");
  });
  expect(load).toEqual({ now: 0, most: 16, lists: 1_000 });
  const count = (name: string) => sent.filter((one) => one === name).length;
  expect(count("zscan")).toBe(1_000);
  // The reads of lists in flight are sent together: 63 commands, if no reply is late.
  expect(count("mget")).toBeLessThan(250);
});
