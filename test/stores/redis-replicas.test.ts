/** Ends that replicas must have before they are confirmed: one master with a replica, and a cluster. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeLimits } from "../../src/node/limits.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import type { RedisAddress } from "../../src/stores/redis/address.ts";
import { channelNames } from "../../src/stores/redis/channel-names.ts";
import * as client from "../../src/stores/redis/client.ts";
import { ReplicatedEnds } from "../../src/stores/redis/replicas.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { sessionStoreContract } from "../../src/testing/session-store.ts";
import { commandClient } from "../helpers/adapters.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { freePorts, RedisProcess } from "../helpers/redis-process.ts";
import { newSession, start } from "../helpers/sessions.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

expectNothingUnhandled();

/** As a node has it, and longer than a busy machine takes for a reply (ms). */
const [replicaTimeout, commandTimeout] = [nodeLimits.redis.replicaTimeout, 30_000];

async function openStore(address: RedisAddress, replicas = 1) {
  const limits = { ...nodeLimits.redis, commandTimeout };
  const replicated = new ReplicatedEnds(
    await client.commandClient(address, limits, { pipelines: false }),
    { replicas, timeout: replicaTimeout },
  );
  const options = { channelOf: channelNames(), replicated };
  const store = new RedisSessions(await commandClient(address, commandTimeout), options);
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

type Store = Awaited<ReturnType<typeof openStore>>;

async function stored(store: RedisSessions) {
  const session = newSession();
  await store.create(session);
  return session;
}

const logout = (store: Store, fingerprint: string) =>
  store.end(fingerprint, start, { reason: "LOGOUT" });

const recordOf = (fingerprint: string) => `curfew:session:{${fingerprint}}`;

/** While a replica is frozen, WAIT takes as long as its time-out. */
const [atLeast, atMost] = [0.9 * replicaTimeout, 2.5 * replicaTimeout];

describe("one master with a replica", () => {
  let master: RedisProcess;
  let replica: RedisProcess;
  let url: string;
  beforeAll(async () => {
    const [masterPort = 0, replicaPort = 0] = await freePorts(2);
    const config = ['save ""', "appendonly no", "repl-diskless-sync-delay 0"];
    master = await RedisProcess.start(masterPort, config);
    const replicaOf = `replicaof 127.0.0.1 ${masterPort}`;
    replica = await RedisProcess.start(replicaPort, [...config, replicaOf]);
    url = `redis://127.0.0.1:${masterPort}`;
    const isAttached = async () =>
      (await replica.info("replication")).get("master_link_status") === "up";
    await until(isAttached, "the replica");
  });
  afterAll(async () => {
    await Promise.all([master, replica].map((each) => each[Symbol.asyncDispose]()));
  });

  sessionStoreContract("Redis with a replica that confirms ends", async () => {
    const store = await openStore(url);
    return { store, dispose: () => store.close() };
  });

  test("an end is confirmed when the replica has it", async () => {
    await using store = await openStore(url);
    const session = await stored(store);
    expect(await logout(store, session.fingerprint)).toEqual(session);
    expect(await replica.command("GET", recordOf(session.fingerprint))).toContain("LOGOUT");
  });

  test("an end that a frozen replica does not confirm is done and unknown, and may be repeated from any node", async () => {
    await using store = await openStore(url);
    await using other = await openStore(url);
    const [session, second] = [await stored(store), await stored(store)];
    const { fingerprint } = session;
    await replica.untilInSyncWith(master);
    replica.freeze();
    try {
      const elapsed = stopwatch();
      const ending = logout(store, fingerprint);
      await expect(ending).rejects.toBeInstanceOf(StoreUnavailable);
      await expect(ending).rejects.toMatchObject({
        cause: { message: `0 of 1 replicas confirmed within ${replicaTimeout} ms` },
      });
      expect(elapsed()).toBeGreaterThan(atLeast);
      expect(elapsed()).toBeLessThan(atMost);
      expect(await store.read(fingerprint, start)).toBeUndefined();
      // Also by a node whose connection has written nothing, and although there is nothing to end.
      await expect(logout(other, fingerprint)).rejects.toBeInstanceOf(StoreUnavailable);
    } finally {
      replica.thaw();
    }
    expect(await logout(other, fingerprint)).toBeUndefined();
    expect(await replica.command("GET", recordOf(fingerprint))).toContain("LOGOUT");
    expect(await logout(other, second.fingerprint)).toEqual(second);
  });

  test("50 ends at once fail together, and hold up no other command and no later end", async () => {
    await using store = await openStore(url);
    const sessions = await Promise.all(Array.from({ length: 50 }, () => stored(store)));
    const late = await stored(store);
    replica.freeze();
    try {
      const elapsed = stopwatch();
      const ending = Promise.allSettled(sessions.map((one) => logout(store, one.fingerprint)));
      await store.ping();
      const [first] = sessions;
      const isEnded = async () => (await store.read(first?.fingerprint ?? "", start)) === undefined;
      await until(isEnded, "the ends");
      const later = logout(store, late.fingerprint).catch(() => {});
      await until(async () => (await store.read(late.fingerprint, start)) === undefined, "the end");
      expect(await store.listByUser("other", start)).toEqual([]);
      // All of this during the first WAIT.
      expect(elapsed()).toBeLessThan(atLeast);
      const results = await ending;
      expect(results.every(({ status }) => status === "rejected")).toBe(true);
      // In one round or two.
      expect(elapsed()).toBeLessThan(2 * replicaTimeout + atLeast);
      await later;
    } finally {
      replica.thaw();
    }
    for (const { fingerprint } of sessions) await logout(store, fingerprint);
  });

  test("ends without enough replicas are unknown, and a closed store rejects them", async () => {
    await using store = await openStore(url, 2);
    const { fingerprint } = await stored(store);
    await expect(logout(store, fingerprint)).rejects.toMatchObject({
      cause: { message: `1 of 2 replicas confirmed within ${replicaTimeout} ms` },
    });
    const closed = await openStore(url);
    await closed.close();
    await expect(logout(closed, fingerprint)).rejects.toBeInstanceOf(StoreUnavailable);
  });

  test("an end is confirmed after Redis has forgotten the scripts", async () => {
    await using store = await openStore(url);
    const session = await stored(store);
    await logout(store, (await stored(store)).fingerprint);
    await master.command("SCRIPT", "FLUSH");
    expect(await logout(store, session.fingerprint)).toEqual(session);
    expect(await replica.command("GET", recordOf(session.fingerprint))).toContain("LOGOUT");
  });

  test("an end whose record came back between its two steps is done again", async () => {
    await using store = await openStore(url);
    const session = await stored(store);
    const text = String(await master.command("GET", recordOf(session.fingerprint)));
    replica.freeze();
    // The first end waits for the replica; the second one waits for its turn.
    const first = logout(store, (await stored(store)).fingerprint).catch(() => {});
    await until(async () => (await master.info("clients")).get("blocked_clients") === "1", "WAIT");
    const second = logout(store, session.fingerprint);
    const isEnded = async () => (await store.read(session.fingerprint, start)) === undefined;
    await until(isEnded, "the end");
    await master.command("SET", recordOf(session.fingerprint), text);
    replica.thaw();
    await Promise.all([first, second]);
    expect(await replica.command("GET", recordOf(session.fingerprint))).toContain("LOGOUT");
  });
});

describe("a cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const open = () => openStore({ nodes: cluster.endpoints });
  const slotOf = (fingerprint: string) => cluster.slotOf(recordOf(fingerprint));
  const masterOf = async (fingerprint: string) => cluster.masterOf(await slotOf(fingerprint));

  test("confirms ends when the replicas of their masters have them", async () => {
    await using store = await open();
    const sessions = await Promise.all(Array.from({ length: 30 }, () => stored(store)));
    const ended = sessions.map(({ fingerprint }) => logout(store, fingerprint));
    expect(await Promise.all(ended)).toEqual(sessions);
    for (const { fingerprint } of sessions.slice(0, 5)) {
      const { port } = await cluster.replicaOf(await masterOf(fingerprint));
      const reader = new Redis(port, { readOnly: true });
      expect(await reader.get(recordOf(fingerprint))).toContain("LOGOUT");
      reader.disconnect();
    }
  });

  test("fails only the ends of the master whose replica is frozen", async () => {
    await using store = await open();
    const frozenMaster = cluster.nodes[0];
    if (frozenMaster === undefined) throw new Error("None");
    const replica = await cluster.replicaOf(frozenMaster);
    const sessions = await Promise.all(Array.from({ length: 30 }, () => stored(store)));
    const owners = await Promise.all(sessions.map(({ fingerprint }) => masterOf(fingerprint)));
    replica.freeze();
    try {
      const elapsed = stopwatch();
      const ends = sessions.map(({ fingerprint }) => logout(store, fingerprint));
      const results = await Promise.allSettled(ends);
      expect(elapsed()).toBeLessThan(atMost);
      expect(results.map(({ status }) => status)).toEqual(
        owners.map((owner) => (owner === frozenMaster ? "rejected" : "fulfilled")),
      );
    } finally {
      replica.thaw();
      await cluster.untilHealthy();
    }
    for (const { fingerprint } of sessions) await logout(store, fingerprint);
  });

  test("confirms ends in a slot while it is moved and afterwards, on the node that has the record", async () => {
    await using store = await open();
    const { fingerprint } = await stored(store);
    const slot = await slotOf(fingerprint);
    const source = await cluster.masterOf(slot);
    const target = cluster.nodes.slice(0, 3).find((node) => node !== source);
    if (target === undefined) throw new Error("None");
    const replica = await cluster.replicaOf(target);
    await cluster.beginMove(slot, source, target);
    await cluster.moveKeys(slot, source, target);
    // The source refers to the target by ASK. The replica of the source confirms anything.
    replica.freeze();
    try {
      await expect(logout(store, fingerprint)).rejects.toMatchObject({
        cause: { message: `0 of 1 replicas confirmed within ${replicaTimeout} ms` },
      });
    } finally {
      replica.thaw();
    }
    expect(await logout(store, fingerprint)).toBeUndefined();
    expect(await target.command("GET", recordOf(fingerprint)).catch(String)).toMatch(/MOVED/);
    await cluster.endMove(slot, source, target);
    // The client has not read the slots again: the source refers by MOVED.
    expect(await logout(store, fingerprint)).toBeUndefined();
    expect(await target.command("GET", recordOf(fingerprint))).toContain("LOGOUT");
  });
});
