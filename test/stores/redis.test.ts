/** Sessions in Redis: the contract, the keys, the index and outages. */
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

/** Time-outs (ms): one longer than all commands of a test take on any machine, and one that a test waits for. */
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
  test("contain the fingerprint and expire with the session", async () => {
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

  test("of an index expire with its longest session, in any order of logins", async () => {
    await using store = await openStore();
    const long = newSession("index", start + 1000);
    await store.create(long);
    await store.create(newSession("index", start));
    expect(await redis.command("PEXPIRETIME", indexOf("index"))).toBe(long.absoluteExpiresAt);
  });

  test("of ended sessions, renewed or not, have the reason of the end for a limited time, and nothing else", async () => {
    await using store = await openStore();
    await redis.flush();
    const [ended, renewed] = [newSession("same"), newSession("same")];
    await store.create(ended);
    await store.create(renewed);
    await renewIn(store, renewed.fingerprint, 0, start);
    await store.end(ended.fingerprint, start);
    // `end` does not wait for the removal from the index, but later commands come after it.
    await store.ping();
    expect(await members("same")).toEqual([renewed.fingerprint]);
    await store.end(renewed.fingerprint, start, { reason: "LOGOUT" });
    await store.ping();
    const keys = [ended, renewed].map(({ fingerprint }) => recordOf(fingerprint));
    expect(((await redis.command("KEYS", "*")) as string[]).toSorted()).toEqual(keys.toSorted());
    for (const key of keys) {
      expect(String(await redis.command("GET", key)).length).toBeLessThan(60);
      const ttl = Number(await redis.command("PTTL", key));
      expect(ttl).toBeGreaterThan(86_300_000);
      expect(ttl).toBeLessThanOrEqual(86_400_000);
    }
  });

  test("of an index lose members past their absolute expiry at the next login", async () => {
    await using store = await openStore();
    const old = newSession("pruned");
    await store.create(old);
    const next = newSession("pruned", old.absoluteExpiresAt);
    await store.create(next);
    expect(await members("pruned")).toEqual([next.fingerprint]);
  });

  test("of an index lose members without a record at the next listing", async () => {
    await using store = await openStore();
    const [lapsed, live] = [newSession("looked"), newSession("looked")];
    await store.create(lapsed);
    await store.create(live);
    await redis.command("DEL", recordOf(lapsed.fingerprint));
    expect(await store.listByUser("looked", start)).toEqual([live]);
    expect(await members("looked")).toEqual([live.fingerprint]);
  });

  test("of an index keep a session that is expired only by this node's clock", async () => {
    await using store = await openStore();
    const session = newSession("skewed");
    await store.create(session);
    expect(await store.listByUser("skewed", session.idleExpiresAt)).toEqual([]);
    expect(await store.listByUser("skewed", start)).toEqual([session]);
  });
});

describe("a renewal that rotates", () => {
  test("lists its session again, in case a failover lost it from the index", async () => {
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

  test("succeeds although the index cannot be written", async () => {
    await using store = await openStore();
    const session = newSession();
    await store.create(session);
    await redis.command("SET", indexOf(session.userId), "in the way");
    const { outcome } = await renewIn(store, session.fingerprint, 0, start);
    expect(outcome).toBe("rotated");
  });

  test("lists its session again after its end without restoring it: the next listing removes the member", async () => {
    await using store = await openStore();
    const [session, other] = [newSession("late"), newSession("late")];
    await store.create(session);
    await store.create(other);
    await store.end(session.fingerprint, start);
    await redis.command("ZADD", indexOf("late"), session.absoluteExpiresAt, session.fingerprint);
    expect(await store.listByUser("late", start)).toEqual([other]);
    expect(await members("late")).toEqual([other.fingerprint]);
  });

  test("takes two commands, and a replay takes one, besides the read", async () => {
    await using store = await openStore();
    const session = newSession();
    await store.create(session);
    const calls = async () => {
      const stats = String(await redis.command("INFO", "commandstats"));
      const count = (name: string) =>
        Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
      return count("evalsha") + count("eval");
    };
    // From here on, Redis has the scripts.
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

test("every started session is listed, despite concurrent listings and ends", async () => {
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

test("very many sessions of a user are listed in pages, and ended ones are removed in pages", async () => {
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
  // A page has about a hundred members: Redis may return a few more.
  expect(calls("zscan")).toBeGreaterThanOrEqual(10);
  expect(calls("zrem")).toBeGreaterThanOrEqual(5);
  expect(await redis.command("ZCARD", indexOf("crowd"))).toBe(1_000);
});

test("a read takes one command", async () => {
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

test("reads of one turn take one command, and each gets its own result", async () => {
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

test("a read that starts after a session has ended does not share the reply of an earlier read", async () => {
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

test("a user agent with lone surrogates is stored as well-formed text", async () => {
  await using store = await openStore();
  const userAgent = 'half a \ud83d, a " and a \\, \u0000 and \u2028, é, / and 🙂';
  const session = { ...newSession(), userAgent, ipAddress: null };
  const kept = { userAgent: userAgent.toWellFormed(), ipAddress: null };
  await store.create(session);
  expect(await store.read(session.fingerprint, start)).toMatchObject(kept);
  await renewIn(store, session.fingerprint, 0, start);
  expect(await store.read(session.fingerprint, start)).toMatchObject({ ...kept, generation: 1 });
});

test("scripts still work after Redis has forgotten them", async () => {
  await using store = await openStore();
  const session = newSession();
  await store.create(session);
  await store.create(newSession());
  await redis.command("SCRIPT", "FLUSH");
  const renewals = [0, 0].map((g) => renewIn(store, session.fingerprint, g, start));
  expect((await Promise.all(renewals)).map(({ outcome }) => outcome)).toEqual([
    "rotated",
    "replayed",
  ]);
});

test("a record that is not understood leaves its session unknown and does not affect reads of others", async () => {
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
  const unknown = { state: "unknown", cause: expect.any(StoreUnavailable) };
  expect(await store.readMany(both, start)).toEqual([unknown, liveReading(whole)]);
  for (const change of [{ fingerprint: whole.fingerprint }, { idleExpiresAt: undefined }]) {
    await writeAs(change);
    await expect(store.read(damaged.fingerprint, start)).rejects.toThrow(StoreUnavailable);
    await expect(renewIn(store, damaged.fingerprint, 0, start)).rejects.toThrow(StoreUnavailable);
  }
});

/** A cluster client replies for each key separately. */
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

describe("an unavailable Redis", () => {
  afterEach(() => redis.restart());

  test("that is frozen rejects within the time-out, and works again afterwards", async () => {
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

  test("that is frozen does not start a session later whose creation timed out", async () => {
    await using store = await openStore(shortLimit);
    const session = newSession();
    redis.freeze();
    await expect(store.create(session)).rejects.toBeInstanceOf(StoreUnavailable);
    redis.thaw();
    await until(() => store.ping().then(...yesNo), "Redis to return");
    expect(await store.read(session.fingerprint, start)).toBeUndefined();
    expect(await members(session.userId)).toEqual([]);
  });

  test("that was killed rejects at once, and works again after its restart", async () => {
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

  test("whose store is closed rejects, and closing again is harmless", async () => {
    const store = await openStore();
    await store.close();
    await expectUnavailable(everyMethod(store));
    await store.close();
  });

  test("that is out of memory stores no part of a new session", async () => {
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

  test("does not change a key of another type, which is no session", async () => {
    await using store = await openStore();
    await redis.command("HSET", recordOf("f"), "x", "y");
    await expect(renewIn(store, "f", 0, start)).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.end("f", start)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await store.read("f", start)).toBeUndefined();
  });

  test("that cannot list a new session deletes its record again", async () => {
    await using store = await openStore();
    const session = newSession();
    await redis.command("SET", indexOf(session.userId), "in the way");
    await expect(store.create(session)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await store.read(session.fingerprint, start)).toBeUndefined();
  });
});

describe("a client", () => {
  test("reports what is wrong with the address, without the password", async () => {
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

  test("waits at the start for a Redis that replies late", async () => {
    redis.freeze();
    const opening = commandClient(redis.url, shortLimit);
    await pause(1.5 * shortLimit);
    redis.thaw();
    const client = await opening;
    expect(await client.ping()).toBe("PONG");
    await closeClient(client);
  });

  test("rejects if Redis is frozen from the start", async () => {
    redis.freeze();
    await expect(commandClient(redis.url, 300)).rejects.toThrow("cannot be used");
    redis.thaw();
  });
});

const yesNo = [() => true, () => false] as const;

test("a renewal that arrives after its caller has renewed twice more is no reuse", async () => {
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
  expect((await renewIn(store, fingerprint, 0, start + 1)).outcome).toBe("rotated");
  expect((await renewIn(store, fingerprint, 1, start + 2)).outcome).toBe("rotated");

  proxy.heal();
  // On the same connection, and so after it.
  await slow.ping();

  expect(await store.read(fingerprint, start + 3)).toMatchObject({ generation: 2 });
  await slow.close();
});
