/** Sessions in Redis: the contract, the keys, the index, and a Redis that does not answer. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { closeClient } from "../../src/stores/redis/client.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { sessionStoreContract } from "../../src/testing/session-store.ts";
import { commandClient } from "../helpers/adapters.ts";
import { startProxy } from "../helpers/proxy.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import {
  lifetimes,
  liveReading,
  network,
  newSession,
  renewIn,
  start,
} from "../helpers/sessions.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis[Symbol.asyncDispose]());

/** Longer than the commands of a test take together on any machine, and one that a test waits for (ms). */
const [longLimit, shortLimit] = [30_000, 1_000];

async function openStore(timeLimit = longLimit) {
  return openStoreAt(redis.url, timeLimit);
}

async function openStoreAt(url: string, timeLimit = longLimit) {
  const store = new RedisSessions(await commandClient(url, timeLimit));
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

sessionStoreContract("Redis", async () => {
  const store = await openStore();
  return { store, dispose: () => store.close() };
});

const indexOf = (userId: string) => `curfew:user:{${userId}}`;
const recordOf = (fingerprint: string) => `curfew:session:{${fingerprint}}`;
const members = (userId: string) => redis.command("ZRANGE", indexOf(userId), 0, -1);

describe("the keys", () => {
  test("hold the fingerprint and expire with the session", async () => {
    await using store = await openStore();
    const session = newSession();
    await store.create(session);
    const key = recordOf(session.fingerprint);
    expect(await redis.command("PEXPIRETIME", key)).toBe(session.idleExpiresAt);
    await renewIn(store, session.fingerprint, 0, start + 5);
    expect(await redis.command("PEXPIRETIME", key)).toBe(session.idleExpiresAt + 5);
    expect(await redis.command("PEXPIRETIME", indexOf(session.userId))).toBe(
      session.absoluteExpiresAt,
    );
  });

  test("of an index live as long as its longest session, whichever came last", async () => {
    await using store = await openStore();
    const long = newSession("index", start + 1000);
    await store.create(long);
    await store.create(newSession("index", start));
    expect(await redis.command("PEXPIRETIME", indexOf("index"))).toBe(long.absoluteExpiresAt);
  });

  test("are gone when the sessions have ended, renewed or not", async () => {
    await using store = await openStore();
    await redis.flush();
    const [ended, renewed] = [newSession("same"), newSession("same")];
    await store.create(ended);
    await store.create(renewed);
    await renewIn(store, renewed.fingerprint, 0, start);
    await store.end(ended.fingerprint, start);
    // It is unlisted without anybody waiting for that: what is sent afterwards comes after it.
    await store.ping();
    expect(await members("same")).toEqual([renewed.fingerprint]);
    await store.end(renewed.fingerprint, start);
    await store.ping();
    expect(await redis.command("KEYS", "*")).toEqual([]);
  });

  test("of an index lose members past their absolute expiry at the next login", async () => {
    await using store = await openStore();
    const old = newSession("pruned");
    await store.create(old);
    const next = newSession("pruned", old.absoluteExpiresAt);
    await store.create(next);
    expect(await members("pruned")).toEqual([next.fingerprint]);
  });

  test("of an index lose members without a record when somebody looks", async () => {
    await using store = await openStore();
    const [lapsed, live] = [newSession("looked"), newSession("looked")];
    await store.create(lapsed);
    await store.create(live);
    await redis.command("DEL", recordOf(lapsed.fingerprint));
    expect(await store.listByUser("looked", start)).toEqual([live]);
    expect(await members("looked")).toEqual([live.fingerprint]);
  });

  test("of an index keep a session that only this clock takes for expired", async () => {
    await using store = await openStore();
    const session = newSession("skewed");
    await store.create(session);
    expect(await store.listByUser("skewed", session.idleExpiresAt)).toEqual([]);
    expect(await store.listByUser("skewed", start)).toEqual([session]);
  });
});

describe("a renewal that steps", () => {
  test("lists its session again, which a failover may have lost from the list alone", async () => {
    await using store = await openStore();
    const session = newSession();
    await store.create(session);
    await redis.command("DEL", indexOf(session.userId));
    expect(await store.listByUser(session.userId, start)).toEqual([]);
    await renewIn(store, session.fingerprint, 0, start);
    expect(await store.listByUser(session.userId, start)).toMatchObject([{ generation: 1 }]);
    expect(await redis.command("PEXPIRETIME", indexOf(session.userId))).toBe(
      session.absoluteExpiresAt,
    );
  });

  test("is made although the list cannot be written", async () => {
    await using store = await openStore();
    const session = newSession();
    await store.create(session);
    await redis.command("SET", indexOf(session.userId), "in the way");
    const { outcome } = await renewIn(store, session.fingerprint, 0, start);
    expect(outcome).toBe("stepped");
  });

  test("and lists its session after the end of it brings nothing back: the next look removes it", async () => {
    await using store = await openStore();
    const [session, other] = [newSession("late"), newSession("late")];
    await store.create(session);
    await store.create(other);
    await store.end(session.fingerprint, start);
    await redis.command("ZADD", indexOf("late"), session.absoluteExpiresAt, session.fingerprint);
    expect(await store.listByUser("late", start)).toEqual([other]);
    expect(await members("late")).toEqual([other.fingerprint]);
  });

  test("is two commands, and one that converges is one, besides the read before", async () => {
    await using store = await openStore();
    const session = newSession();
    await store.create(session);
    const calls = async () => {
      const stats = String(await redis.command("INFO", "commandstats"));
      const count = (name: string) =>
        Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
      return count("evalsha") + count("eval");
    };
    // Redis has the scripts from here on.
    await renewIn(store, session.fingerprint, 0, start);
    await store.ping();
    const before = await calls();
    await renewIn(store, session.fingerprint, 1, start);
    await store.ping();
    const stepped = await calls();
    expect(stepped - before).toBe(2);
    await renewIn(store, session.fingerprint, 1, start);
    await store.ping();
    expect((await calls()) - stepped).toBe(1);
  });
});

test("every session begun is listed, however many look and end meanwhile", async () => {
  await using store = await openStore();
  await using other = await openStore();
  const stop = new AbortController();
  const look = async () => {
    while (!stop.signal.aborted) await other.listByUser("busy", start);
  };
  const looks = [look(), look()];
  const sessions = Array.from({ length: 100 }, () => newSession("busy"));
  for (const session of sessions) {
    await store.create(session);
    if (sessions.indexOf(session) % 3 === 0) await other.end(session.fingerprint, start);
    else expect(await store.listByUser("busy", start)).toContainEqual(session);
  }
  stop.abort();
  await Promise.all(looks);
  expect(await store.listByUser("busy", start)).toHaveLength(66);
});

test("a user's very many sessions are listed page by page, and so is what has gone removed", async () => {
  await using store = await openStore();
  const sessions = Array.from({ length: 2_000 }, (_, i) => newSession("crowd", start + i));
  await Promise.all(sessions.map((session) => store.create(session)));
  const [gone, kept] = [sessions.slice(0, 1_000), sessions.slice(1_000)];
  await redis.command("DEL", ...gone.map(({ fingerprint }) => recordOf(fingerprint)));
  await redis.command("CONFIG", "RESETSTAT");

  expect(await store.listByUser("crowd", start)).toEqual(kept.toReversed());

  const stats = String(await redis.command("INFO", "commandstats"));
  const calls = (name: string) =>
    Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1]);
  // Pages are of about a hundred: Redis may make one a little larger.
  expect(calls("zscan")).toBeGreaterThanOrEqual(10);
  expect(calls("zrem")).toBeGreaterThanOrEqual(5);
  expect(await redis.command("ZCARD", indexOf("crowd"))).toBe(1_000);
});

test("a read is one command", async () => {
  await using store = await openStore();
  const session = newSession();
  await store.create(session);
  const count = async () =>
    Number(
      /total_commands_processed:(\d+)/.exec(String(await redis.command("INFO", "stats")))?.[1],
    );
  const perLook = (await count()) - (await count());
  const before = await count();
  for (let i = 0; i < 10; i++) await store.read(session.fingerprint, start);
  expect((await count()) - before + perLook).toBe(10);
});

test("reads of one moment are one command, and each has its own answer", async () => {
  await using store = await openStore();
  const sessions = Array.from({ length: 20 }, () => newSession());
  await Promise.all(sessions.map((session) => store.create(session)));
  await redis.command("CONFIG", "RESETSTAT");
  const fingerprints = [...sessions.map(({ fingerprint }) => fingerprint), "none"];
  const read = await Promise.all(fingerprints.map((one) => store.read(one, start)));
  expect(read).toEqual([...sessions, undefined]);
  const stats = String(await redis.command("INFO", "commandstats"));
  expect(stats).toContain("cmdstat_mget:calls=1,");
});

test("a read that begins when a session has ended shares no answer with one before", async () => {
  await using store = await openStore();
  await using proxy = await startProxy(redis.port);
  await using far = await openStoreAt(`redis://127.0.0.1:${proxy.port}`);
  const session = newSession();
  await store.create(session);
  await redis.command("CONFIG", "RESETSTAT");
  proxy.stallReplies();
  const before = far.read(session.fingerprint, start);
  const isRead = async () =>
    String(await redis.command("INFO", "commandstats")).includes("cmdstat_mget:calls=1,");
  await until(isRead, "the session to be read");
  await store.end(session.fingerprint, start);
  const after = far.read(session.fingerprint, start);
  proxy.heal();
  expect(await Promise.all([before, after])).toEqual([session, undefined]);
});

test("a device is kept as it was said, whatever that was", async () => {
  await using store = await openStore();
  const userAgent = 'half a \ud83d, a " and a \\, \u0000 and \u2028, é, / and 🙂';
  const session = { ...newSession(), userAgent, ipAddress: null };
  const kept = { userAgent: userAgent.toWellFormed(), ipAddress: null };
  await store.create(session);
  expect(await store.read(session.fingerprint, start)).toMatchObject(kept);
  await renewIn(store, session.fingerprint, 0, start);
  expect(await store.read(session.fingerprint, start)).toMatchObject({ ...kept, generation: 1 });
});

test("scripts survive being forgotten by Redis", async () => {
  await using store = await openStore();
  const session = newSession();
  await store.create(session);
  await store.create(newSession());
  await redis.command("SCRIPT", "FLUSH");
  const renewals = [0, 0].map((g) => renewIn(store, session.fingerprint, g, start));
  expect((await Promise.all(renewals)).map(({ outcome }) => outcome)).toEqual([
    "stepped",
    "converged",
  ]);
});

test("a damaged record is no session, and keeps nobody from reading the others", async () => {
  await using store = await openStore();
  const [damaged, whole] = [newSession(), newSession()];
  await store.create(damaged);
  await store.create(whole);
  const writeAs = async (change: object) => {
    const text = JSON.stringify({ ...damaged, ...change });
    await redis.command("SET", recordOf(damaged.fingerprint), text);
  };
  await writeAs({ idleExpiresAt: "soon" });
  const both = [damaged.fingerprint, whole.fingerprint];
  expect(await store.readMany(both, start)).toEqual([{ state: "absent" }, liveReading(whole)]);
  await writeAs({ fingerprint: whole.fingerprint });
  expect(await store.read(damaged.fingerprint, start)).toBeUndefined();
  await writeAs({ idleExpiresAt: undefined });
  expect(await store.read(damaged.fingerprint, start)).toBeUndefined();
  await expect(renewIn(store, damaged.fingerprint, 0, start)).rejects.toThrow();
});

/** It answers for each by itself. */
async function readOf(store: SessionStore): Promise<void> {
  const [reading] = await store.readMany(["f"], start);
  if (reading?.state === "unknown") throw reading.cause;
}

function everyMethod(store: SessionStore): Promise<unknown>[] {
  return [
    store.create(newSession()),
    store.read("f", start),
    readOf(store),
    store.renew("f", { generation: 0, generationAtRead: 0, network }, lifetimes, start),
    store.touch("f", start),
    store.end("f", start),
    store.listByUser("u", start),
    store.ping(),
  ];
}

async function expectUnavailable(answers: Promise<unknown>[]): Promise<void> {
  for (const answer of await Promise.allSettled(answers)) {
    expect(answer).toMatchObject({ status: "rejected", reason: { name: "StoreUnavailable" } });
  }
}

describe("a Redis that does not answer", () => {
  afterEach(() => redis.restart());

  test("because it is frozen is unavailable within the time limit, and then back", async () => {
    await using store = await openStore(shortLimit);
    const session = newSession();
    await store.create(session);
    redis.freeze();
    const elapsed = stopwatch();
    await expectUnavailable(everyMethod(store));
    expect(elapsed()).toBeLessThan(3 * shortLimit);
    redis.thaw();
    await until(() => store.ping().then(...yesNo), "Redis to return");
    expect(await store.read(session.fingerprint, start)).toEqual(session);
  });

  test("because it is frozen begins no session afterwards that it failed to begin in time", async () => {
    await using store = await openStore(shortLimit);
    const session = newSession();
    redis.freeze();
    await expect(store.create(session)).rejects.toBeInstanceOf(StoreUnavailable);
    redis.thaw();
    await until(() => store.ping().then(...yesNo), "Redis to return");
    expect(await store.read(session.fingerprint, start)).toBeUndefined();
    expect(await members(session.userId)).toEqual([]);
  });

  test("because it was killed is unavailable at once, and then back", async () => {
    await using store = await openStore();
    const inFlight = everyMethod(store);
    const killed = redis.kill();
    await Promise.allSettled([...inFlight, killed]);
    const elapsed = stopwatch();
    await expectUnavailable(everyMethod(store));
    expect(elapsed()).toBeLessThan(500);
    await redis.restart();
    await until(() => store.ping().then(...yesNo), "Redis to return");
  });

  test("because the store is closed is unavailable, and closing again is harmless", async () => {
    const store = await openStore();
    await store.close();
    await expectUnavailable(everyMethod(store));
    await store.close();
  });

  test("because it is out of memory keeps no part of a new session", async () => {
    await using store = await openStore();
    await redis.command("CONFIG", "SET", "maxmemory", 1);
    const session = newSession();
    const created = store.create(session);
    await expect(created).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(created).rejects.toMatchObject({
      cause: { message: expect.stringContaining("OOM") as unknown },
    });
    await redis.command("CONFIG", "SET", "maxmemory", 0);
    expect(await store.read(session.fingerprint, start)).toBeUndefined();
    expect(await members(session.userId)).toEqual([]);
  });

  test("because the record is of another kind changes nothing of it, and has no session there", async () => {
    await using store = await openStore();
    await redis.command("HSET", recordOf("f"), "x", "y");
    await expect(renewIn(store, "f", 0, start)).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.end("f", start)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await store.read("f", start)).toBeUndefined();
  });

  test("takes a session's record back when it cannot be listed", async () => {
    await using store = await openStore();
    const session = newSession();
    await redis.command("SET", indexOf(session.userId), "in the way");
    await expect(store.create(session)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await store.read(session.fingerprint, start)).toBeUndefined();
  });
});

describe("a client", () => {
  test("says what is wrong with the address, and never the password", async () => {
    const { port } = new URL(redis.url);
    for (const [url, says] of [
      ["127.0.0.1:6379", "looks like redis://"],
      ["http://someone:hunter2@127.0.0.1", "looks like redis://"],
      ["redis://someone:hunter2@127.0.0.1:1", "127.0.0.1:1 cannot be used: connect ECONNREFUSED"],
      [`redis://someone:hunter2@127.0.0.1:${port}`, "WRONGPASS"],
    ] as const) {
      const error: unknown = await commandClient(url).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ message: expect.stringContaining(says) as unknown });
      expect(error).not.toHaveProperty("cause");
      expect(String(error)).not.toContain("hunter2");
    }
  });

  test("waits at the start for a Redis that answers late", async () => {
    redis.freeze();
    const opening = commandClient(redis.url, shortLimit);
    await pause(1.5 * shortLimit);
    redis.thaw();
    const client = await opening;
    expect(await client.ping()).toBe("PONG");
    await closeClient(client);
  });

  test("gives up on a Redis that is frozen from the start", async () => {
    redis.freeze();
    await expect(commandClient(redis.url, 300)).rejects.toThrow("cannot be used");
    redis.thaw();
  });
});

const yesNo = [() => true, () => false] as const;

test("a renewal that comes late, after its caller has renewed again twice, is no reuse", async () => {
  await using store = await openStore();
  await using proxy = await startProxy(redis.port);
  const slow = new RedisSessions(
    await commandClient(`redis://127.0.0.1:${proxy.port}`, shortLimit),
  );
  const session = newSession();
  const { fingerprint } = session;
  await store.create(session);
  proxy.stall();
  const asked = { generation: 0, generationAtRead: 0, network };
  await expect(slow.renew(fingerprint, asked, lifetimes, start)).rejects.toThrow(StoreUnavailable);
  expect((await renewIn(store, fingerprint, 0, start + 1)).outcome).toBe("stepped");
  expect((await renewIn(store, fingerprint, 1, start + 2)).outcome).toBe("stepped");

  proxy.heal();
  // On the same link, and so after it.
  await slow.ping();

  expect(await store.read(fingerprint, start + 3)).toMatchObject({ generation: 2 });
  await slow.close();
});
