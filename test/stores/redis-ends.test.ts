/** Ends and renewals in Redis: the record that an end leaves, and the messages that the scripts publish. */
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { endsTopic, sessionTopic } from "../../src/session/messages.ts";
import type { Session } from "../../src/session/session.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { channelNames } from "../../src/stores/redis/channel-names.ts";
import { closeClient } from "../../src/stores/redis/client.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { RedisSessions, type RedisSessionsOptions } from "../../src/stores/redis/sessions.ts";
import { commandClient, subscriberClient } from "../helpers/adapters.ts";
import { secrets } from "../helpers/curfew.ts";
import { rethrow, rethrowReported } from "../helpers/domain.ts";
import { startProxy } from "../helpers/proxy.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { device, lifetimes, network, newSession, renewIn, start } from "../helpers/sessions.ts";
import { everyoneEnabled } from "../helpers/users.ts";
import { until } from "../helpers/until.ts";

let redis: RedisServer;
let listener: Redis;
/** The messages of all channels, in the order of their arrival. */
let heard: (readonly [channel: string, text: string])[] = [];
beforeAll(async () => {
  redis = await startRedis();
  listener = new Redis(redis.port);
  await listener.psubscribe("curfew:*");
  listener.on("pmessage", (_, channel: string, text: string) => heard.push([channel, text]));
});
afterAll(async () => {
  listener.disconnect();
  await redis[Symbol.asyncDispose]();
});
beforeEach(() => {
  heard = [];
});

async function openStore(options: RedisSessionsOptions = { channelOf: channelNames() }) {
  return openStoreAt(redis.url, options);
}

async function openStoreAt(
  url: string,
  options: RedisSessionsOptions = { channelOf: channelNames() },
  timeLimit = 30_000,
) {
  const store = new RedisSessions(await commandClient(url, timeLimit), options);
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

const recordOf = (fingerprint: string) => `curfew:session:{${fingerprint}}`;
const textOf = async (fingerprint: string) =>
  String(await redis.command("GET", recordOf(fingerprint)));

/** A message that is sent after the others, so that they have arrived. */
async function allHeard() {
  await redis.command("PUBLISH", "curfew:last", "");
  await until(() => heard.at(-1)?.[0] === "curfew:last", "the messages");
  return heard.slice(0, -1);
}

function published() {
  const calls = { count: 0 };
  return { calls, onPublished: () => void (calls.count += 1) };
}

async function stored(store: RedisSessions, change: Partial<Session> = {}) {
  const session = { ...newSession(), ...change };
  await store.create(session);
  return session;
}

describe("an end", () => {
  test("publishes to all nodes and to those of the session, once, in the step that ends it", async () => {
    await using store = await openStore();
    const { fingerprint } = await stored(store);
    const record = await textOf(fingerprint);
    const { calls, onPublished } = published();
    await using monitor = await startMonitor();
    await store.end(fingerprint, start + 1, { reason: "LOGOUT", onPublished });
    await store.end(fingerprint, start + 2, { reason: "LOGOUT" });
    const ended = `"type":"ended","fingerprint":"${fingerprint}","reason":"LOGOUT","at":${start + 1}`;
    expect(await allHeard()).toEqual([
      [`curfew:ends`, `{${ended}}`],
      [`curfew:session:${fingerprint}`, `{${ended},"session":${record}}`],
    ]);
    expect(calls.count).toBe(1);
    const commands = await monitor.commandsOf("lua");
    expect(commands).toEqual(["get", "set", "publish", "publish", "get", "pexpire"]);
  });

  test("whose reply is lost is published all the same", async () => {
    await using proxy = await startProxy(redis.port);
    await using store = await openStoreAt(`redis://127.0.0.1:${proxy.port}`, undefined, 500);
    const { fingerprint } = await stored(store);
    // Redis has the script from here on.
    await store.end("other", start, { reason: "LOGOUT" });
    proxy.stallReplies();
    const { calls, onPublished } = published();
    const ending = store.end(fingerprint, start, { reason: "LOGOUT", onPublished });
    await expect(ending).rejects.toBeInstanceOf(StoreUnavailable);
    expect(calls.count).toBe(0);
    const channels = (await allHeard()).map(([channel]) => channel);
    expect(channels).toContain(`curfew:session:${fingerprint}`);
  });

  test("leaves its reason for a limited time, and a later end changes neither it nor the session", async () => {
    await using store = await openStore({ channelOf: channelNames(), endReasonTtl: 60_000 });
    const session = await stored(store);
    const { fingerprint } = session;
    expect(await store.end(fingerprint, start, { reason: "ENDED_BY_USER" })).toEqual(session);
    expect(await store.end(fingerprint, start, { reason: "LOGOUT" })).toBeUndefined();
    expect(await store.endReason(fingerprint)).toBe("ENDED_BY_USER");
    const ttl = Number(await redis.command("PTTL", recordOf(fingerprint)));
    expect(ttl).toBeGreaterThan(50_000);
    expect(ttl).toBeLessThanOrEqual(60_000);
    expect(await store.read(fingerprint, start)).toBeUndefined();
    expect(await renewIn(store, fingerprint, 0, start)).toEqual({
      outcome: "absent",
      endReason: "ENDED_BY_USER",
    });
    const reissue = { atLeast: 0, network };
    expect(await store.reissue(fingerprint, reissue, lifetimes, start)).toBeUndefined();
    await store.touch(fingerprint, start);
    expect(await store.endReason(fingerprint)).toBe("ENDED_BY_USER");
    await redis.command("DEL", recordOf(fingerprint));
    expect(await store.endReason(fingerprint)).toBeUndefined();
  });

  test("of an absent session leaves its reason too, and is published to all nodes", async () => {
    await using store = await openStore();
    expect(await store.end("absent", start, { reason: "LOGOUT" })).toBeUndefined();
    expect(await store.endReason("absent")).toBe("LOGOUT");
    expect((await allHeard()).map(([channel]) => channel)).toEqual(["curfew:ends"]);
  });

  test("without a reason is not published", async () => {
    await using store = await openStore();
    const session = await stored(store);
    expect(await store.end(session.fingerprint, start)).toEqual(session);
    expect(await store.endReason(session.fingerprint)).toBeUndefined();
    expect(await allHeard()).toEqual([]);
  });

  test("with a reason of a later version is an end of unknown reason", async () => {
    await using store = await openStore();
    const { fingerprint } = newSession();
    const later = '{"idleExpiresAt":0,"endReason":"LATER_REASON"}';
    await redis.command("SET", recordOf(fingerprint), later);
    expect(await store.read(fingerprint, start)).toBeUndefined();
    expect(await store.endReason(fingerprint)).toBeUndefined();
    expect(await renewIn(store, fingerprint, 0, start)).toEqual({ outcome: "absent" });
    await store.end(fingerprint, start, { reason: "LOGOUT" });
    expect(await textOf(fingerprint)).toBe(later);
  });

  test("of an id with quotes names no other session", async () => {
    await using store = await openStore();
    const id = 'x","fingerprint":"victim';
    await store.end(id, start, { reason: "LOGOUT" });
    const [message] = await allHeard();
    expect(JSON.parse(message?.[1] ?? "")).toMatchObject({ fingerprint: id });
  });

  test("of a record that is not understood removes it", async () => {
    await using store = await openStore();
    const { fingerprint } = newSession();
    await redis.command("SET", recordOf(fingerprint), "{damaged");
    expect(await store.end(fingerprint, start, { reason: "LOGOUT" })).toBeUndefined();
    expect(await store.endReason(fingerprint)).toBe("LOGOUT");
  });
});

describe("a Redis that is out of memory", () => {
  afterEach(() => redis.command("CONFIG", "SET", "maxmemory", 0));

  test("ends sessions without keeping the reason, and publishes it", async () => {
    await using store = await openStore();
    const session = await stored(store);
    const { fingerprint } = session;
    await store.end("loads the script", start, { reason: "LOGOUT" });
    await redis.command("CONFIG", "SET", "maxmemory", 1);
    const { calls, onPublished } = published();
    expect(await store.end(fingerprint, start, { reason: "LOGOUT", onPublished })).toEqual(session);
    expect(await redis.command("EXISTS", recordOf(fingerprint))).toBe(0);
    expect(calls.count).toBe(1);
  });
});

describe("a renewal", () => {
  test("publishes the record as it is stored, if it rotates", async () => {
    await using store = await openStore();
    const { fingerprint } = await stored(store);
    const { calls, onPublished } = published();
    const request = { generation: 0, generationAtRead: 0, network, onPublished };
    await store.renew(fingerprint, request, lifetimes, start + 5);
    const renewed = `{"type":"renewed","fingerprint":"${fingerprint}","session":${await textOf(fingerprint)}}`;
    expect(calls.count).toBe(1);
    await store.renew(fingerprint, request, lifetimes, start + 6);
    expect(calls.count).toBe(1);
    expect(await allHeard()).toEqual([[`curfew:session:${fingerprint}`, renewed]]);
  });

  test("by a reissue publishes the record as it is stored", async () => {
    await using store = await openStore();
    const { fingerprint } = await stored(store);
    const { calls, onPublished } = published();
    await store.reissue(fingerprint, { atLeast: 3, network, onPublished }, lifetimes, start);
    const [message] = await allHeard();
    expect(message).toEqual([
      `curfew:session:${fingerprint}`,
      `{"type":"renewed","fingerprint":"${fingerprint}","session":${await textOf(fingerprint)}}`,
    ]);
    expect(calls.count).toBe(1);
  });

  test("of a store without channels publishes nothing, and neither does an end", async () => {
    await using store = await openStore({});
    const { fingerprint } = await stored(store);
    const { calls, onPublished } = published();
    const request = { generation: 0, generationAtRead: 0, network, onPublished };
    await store.renew(fingerprint, request, lifetimes, start + 5);
    await store.reissue(fingerprint, { atLeast: 3, network, onPublished }, lifetimes, start);
    await store.end(fingerprint, start, { reason: "LOGOUT", onPublished });
    expect(await allHeard()).toEqual([]);
    expect(calls.count).toBe(0);
  });
});

/** A user of Redis that may do everything but publish. */
async function mutedStore() {
  await redis.command("ACL", "SETUSER", "mute", "on", ">mute", "~*", "&*", "+@all", "-publish");
  return openStoreAt(redis.url.replace("//", "//mute:mute@"));
}

describe("a Redis that refuses to publish in scripts", () => {
  test("changes sessions all the same, without the report that it published", async () => {
    await using store = await mutedStore();
    const session = await stored(store);
    const { fingerprint } = session;
    const { calls, onPublished } = published();
    const request = { generation: 0, generationAtRead: 0, network, onPublished };
    const renewal = await store.renew(fingerprint, request, lifetimes, start);
    expect(renewal.outcome).toBe("rotated");
    const reissue = { atLeast: 0, network, onPublished };
    expect(await store.reissue(fingerprint, reissue, lifetimes, start)).toBeDefined();
    expect(await store.end(fingerprint, start, { reason: "LOGOUT", onPublished })).toBeDefined();
    expect(await store.endReason(fingerprint)).toBe("LOGOUT");
    expect(calls.count).toBe(0);
    expect(await allHeard()).toEqual([]);
  });

  test("lets the node publish: each message arrives once", async () => {
    await using store = await mutedStore();
    const publisher = await commandClient(redis.url);
    const subscriber = await subscriberClient(redis.url);
    const pubsub = new RedisPubSub({ publisher, subscriber, onError: rethrow });
    const sessions = new Sessions({
      store,
      pubsub,
      ring: new KeyRing(secrets),
      lifetimes,
      userStatus: everyoneEnabled,
      clock: Date.now,
      randomBytes,
      reportError: rethrowReported,
    });
    const { session, tokens } = await sessions.start("ada", device);
    await sessions.renew(tokens.renewalToken, device);
    await sessions.end(session.fingerprint, "LOGOUT");
    const topics = new Set([sessionTopic(session.fingerprint), endsTopic]);
    const messages = (await allHeard()).filter(([channel]) => topics.has(channel));
    const types = messages.map(([channel, text]) => {
      const { type } = JSON.parse(text) as { type: string };
      return `${channel === endsTopic ? "all" : "session"}: ${type}`;
    });
    expect(types.toSorted()).toEqual(["all: ended", "session: ended", "session: renewed"]);
    await pubsub.close();
    await closeClient(publisher);
  });
});

describe("a node of a version before 0.2", () => {
  /** The part of its scripts that reads the record. */
  const oldLive = `
    local text = redis.call('GET', KEYS[1])
    local session = text and cjson.decode(text)
    if not session or session.idleExpiresAt <= tonumber(ARGV[1]) then return 'absent' end
    return 'live'`;

  test("takes an ended session for an expired one", async () => {
    await using store = await openStore();
    const { fingerprint } = await stored(store);
    const look = () => redis.command("EVAL", oldLive, 1, recordOf(fingerprint), start);
    expect(await look()).toBe("live");
    await store.end(fingerprint, start, { reason: "LOGOUT" });
    expect(await look()).toBe("absent");
  });

  test("ends a session by GETDEL: it is ended here too, and a second end leaves the reason", async () => {
    await using store = await openStore();
    const { fingerprint } = await stored(store);
    await redis.command("GETDEL", recordOf(fingerprint));
    expect(await store.read(fingerprint, start)).toBeUndefined();
    expect(await store.end(fingerprint, start, { reason: "LOGOUT" })).toBeUndefined();
    expect(await store.endReason(fingerprint)).toBe("LOGOUT");
  });
});

async function startMonitor() {
  const client = new Redis(redis.port);
  await client.ping();
  const watcher = await client.monitor();
  const seen: { readonly source: string; readonly name: string }[] = [];
  watcher.on("monitor", (_time: string, [name = ""]: string[], source: string) =>
    seen.push({ source, name: name.toLowerCase() }),
  );
  return {
    async commandsOf(source: string) {
      await redis.command("ECHO", "the end");
      await until(() => seen.some(({ name }) => name === "echo"), "the monitor");
      return seen.filter((one) => one.source === source).map(({ name }) => name);
    },
    async [Symbol.asyncDispose]() {
      watcher.disconnect();
      client.disconnect();
    },
  };
}
