/** The number of Redis commands per operation: unlike times, counts do not depend on the machine. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { EndReplay } from "../../src/session/end-replay.ts";
import { RecentEnds } from "../../src/session/ends.ts";
import type { SessionStore } from "../../src/session/store.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { commandClient } from "../helpers/adapters.ts";
import { testApp } from "../helpers/app.ts";
import { intercept } from "../helpers/backends.ts";
import { ask, login, logout, newEmail, register, renew, type SignedIn } from "../helpers/http.ts";
import { rareRechecks, startNodes, type Nodes } from "../helpers/nodes.ts";
import { monitor, type Monitor } from "../helpers/redis-monitor.ts";
import { channelsOf, startRedis, type RedisServer } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

let redis: RedisServer;
let nodes: Nodes;
let commands: Monitor;
let user: SignedIn;
beforeAll(async () => {
  redis = await startRedis();
  // No recheck may run while commands are counted.
  nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
  commands = await monitor(redis);
  // The text of a script is sent to Redis only once.
  const first = await register(nodes.here.url);
  await renew(nodes.here.url, first.renewalToken);
  await logout(nodes.here.url, first.accessToken);
  user = await register(nodes.here.url);
});
afterAll(async () => {
  await commands[Symbol.asyncDispose]();
  await nodes[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** Commands that read one or many sessions. */
const read = "mget";
const query = "{ viewer { user { id } session { id } } }";

async function subscriptions(): Promise<Map<string, number>> {
  const channels = await channelsOf(redis);
  const counts = (await redis.command("PUBSUB", "NUMSUB", ...channels)) as (string | number)[];
  return new Map(channels.map((channel, i) => [channel, Number(counts[2 * i + 1])]));
}

it("a request with a token takes one command, and one without a token none", async () => {
  const asking = async () => {
    const token = user.accessToken;
    for (let i = 0; i < 20; i += 1)
      expect((await ask(nodes.here.url, query, { token })).status).toBe(200);
  };
  expect(await commands.during(asking)).toEqual(Array.from({ length: 20 }, () => read));
  expect(await commands.during(() => ask(nodes.here.url, query))).toEqual([]);
});

it("a renewal takes one read and two scripts, which store and publish it and list the session", async () => {
  const { renewalToken } = await register(nodes.here.url);
  const renewing = () => renew(nodes.here.url, renewalToken);
  expect(await commands.during(renewing)).toEqual([read, "evalsha", "evalsha"]);
});

it("a login takes the counts of the rate limits, the writes of the session, one message and one listing", async () => {
  const email = newEmail();
  await register(nodes.here.url, email);
  const counted = ["evalsha", "evalsha", "evalsha"];
  const takenBack = ["evalsha", "del"];
  const begun = ["set", "evalsha", "publish"];
  const signingIn = () => login(nodes.here.url, email);
  // The first login loads the scripts of the rate limits.
  await signingIn();
  const sent = await commands.during(signingIn);
  expect(sent).toEqual([...counted, ...takenBack, ...begun, "zscan", read]);
});

it("a logout takes the same few commands however many sockets it closes", async () => {
  const { accessToken } = await register(nodes.here.url);
  const open = () => connect(nodes.there.socketUrl, accessToken);
  const sockets = await Promise.all(Array.from({ length: 20 }, open));
  const leaving = () => logout(nodes.here.url, accessToken);
  const sent = await commands.during(leaving);
  expect(sent.filter((name) => name !== "unsubscribe")).toEqual([read, "evalsha", "zrem"]);
  for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4401 });
});

it("all sockets of a session on a node share one subscription, which ends with the last of them", async () => {
  const { accessToken, sessionId } = await register(nodes.here.url);
  const opened: Awaited<ReturnType<typeof connect>>[] = [];
  const opening = async () => {
    for (const { socketUrl } of [nodes.here, nodes.there])
      for (let i = 0; i < 10; i += 1) opened.push(await connect(socketUrl, accessToken));
  };
  const sent = await commands.during(opening);
  expect(sent.filter((name) => name === "subscribe")).toHaveLength(2);
  expect(sent.filter((name) => name === read)).toHaveLength(20);
  expect(sent).toHaveLength(22);
  const ofSession = async () =>
    [...(await subscriptions())].filter(([channel]) => channel.includes(sessionId));
  expect((await ofSession()).map(([, count]) => count)).toEqual([2]);

  await Promise.all(opened.map((socket) => socket[Symbol.asyncDispose]()));
  await until(async () => (await ofSession()).length === 0, "the subscriptions to be gone");
});

it("an operation on a socket takes one command", async () => {
  await using socket = await connect(nodes.here.socketUrl, user.accessToken);
  const asking = async () => {
    socket.subscribe("1", query);
    expect((await socket.messages.next()).type).toBe("next");
    expect((await socket.messages.next()).type).toBe("complete");
  };
  expect(await commands.during(asking)).toEqual([read]);
});

it("a recheck takes one command for each 100 sessions, and none for those that are known to have ended", async () => {
  const { sessions } = nodes.here;
  const absent = Array.from({ length: 250 }, () => crypto.randomUUID());
  const sent = await commands.during(() => sessions.readMany(absent));
  // The sockets of the test before may leave their topic.
  expect(sent.filter((name) => name !== "unsubscribe")).toEqual([read, read, read]);
  const { sessionId, accessToken } = await register(nodes.here.url);
  await logout(nodes.here.url, accessToken);
  expect(await commands.during(() => sessions.readMany([sessionId]))).toEqual([]);
  const asking = () => ask(nodes.here.url, query, { token: accessToken });
  expect(await commands.during(asking)).toEqual([]);
});

it("a replay takes one command for each 100 ends, and two for each session that the store has again", async () => {
  const client = await commandClient(redis.url);
  const store = new RedisSessions(client);
  const ends = new RecentEnds({ window: 60_000, capacity: 1_000, uptime: () => 0 });
  const end = (fingerprint: string) => ({ fingerprint, reason: "LOGOUT" as const, at: 0 });
  const { sessionId, userId } = await register(nodes.here.url);
  const session = await store.read(sessionId, Date.now());
  expect(session).toMatchObject({ userId });
  for (let i = 0; i < 249; i += 1) ends.add(end(crypto.randomUUID()));
  ends.add(end(sessionId));
  const replayed = Promise.withResolvers<number>();
  let replace = () => {};
  const replay = new EndReplay({
    ends,
    store: intercept<SessionStore>(store, {
      onReplaced: () => (listener) => {
        replace = listener;
        return () => {};
      },
    }),
    endAgain: (one) => nodes.here.sessions.endAgain(one),
    clock: Date.now,
    random: () => 0,
    pause: async () => {},
    onReplay: replayed.resolve,
  });
  const sent = await commands.during(async () => {
    replace();
    expect(await replayed.promise).toBe(1);
    // `end` does not wait for the removal from the index.
    const isRemoved = async () =>
      (await redis.command("ZSCORE", `curfew:user:{${userId}}`, sessionId)) === null;
    await until(isRemoved, "the removal");
  });
  const ofTest = new Set(["zscore", "info", "hello", "client"]);
  const ofNodes = sent.filter((name) => !ofTest.has(name));
  expect(ofNodes).toEqual([read, read, read, "evalsha", "zrem"]);
  replay.close();
  await store.close();
});

it("a logout with END_REPLICAS takes two commands more, and 20 at once take one WAIT", async () => {
  await using strict = await startNodes(redis, { endReplicas: 1, ...rareRechecks });
  const { url, sessions } = strict.here;
  const leaver = await register(url);
  // Redis has no replica: each end is unknown after a second.
  const leave = ({ accessToken }: SignedIn) => logout(url, accessToken).catch(() => {});
  await leave(await register(url));
  const sent = await commands.during(() => leave(leaver));
  // The request is slow, so that it listens for its session's end. The other nodes check the session again.
  const ofEnd = sent.filter((name) => !name.endsWith("subscribe"));
  expect(ofEnd).toEqual([read, "evalsha", "zrem", "eval", "wait", "publish"]);

  const issued = Array.from({ length: 20 }, () => sessions.start(leaver.userId, device));
  const started = await Promise.all(issued);
  const endAll = () =>
    Promise.allSettled(started.map(({ session }) => sessions.end(session.fingerprint, "LOGOUT")));
  const all = await commands.during(endAll);
  expect(all.filter((name) => name === "eval")).toHaveLength(20);
  // One round, or two if the replies of the ends came apart.
  expect(all.filter((name) => name === "wait").length).toBeLessThanOrEqual(2);
});
