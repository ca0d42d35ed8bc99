/** Sessions and pub/sub in a Redis Cluster: the contracts and the behaviour of clusters. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeClient } from "../../src/stores/redis/client.ts";
import { durabilityWarnings } from "../../src/stores/redis/durability.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { sessionStoreContract } from "../../src/testing/session-store.ts";
import { pubSubContract } from "../../src/testing/pubsub.ts";
import { commandClient, probeLinks, subscriberClient } from "../helpers/adapters.ts";
import { RedisCluster, type NodeState } from "../helpers/redis-cluster.ts";
import { freePorts, RedisProcess } from "../helpers/redis-process.ts";
import { liveReading, newSession, renewIn, start } from "../helpers/sessions.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

let cluster: RedisCluster;
expectNothingUnhandled();

beforeAll(async () => {
  cluster = await RedisCluster.start();
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Longer than all commands of a test take on any machine (ms). */
const timeLimit = 30_000;

async function openStore() {
  const store = new RedisSessions(await commandClient({ nodes: cluster.endpoints }, timeLimit));
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

async function openNode() {
  const address = { nodes: cluster.endpoints };
  const publisher = await commandClient(address);
  const subscriber = await subscriberClient(address, publisher);
  const errors: unknown[] = [];
  const pubsub = new RedisPubSub({ publisher, subscriber, onError: (e) => errors.push(e) });
  const probe = await probeLinks({ commands: publisher, subscriber });
  let gaps = 0;
  pubsub.onMessagesMissed(() => gaps++);
  const close = async () => {
    probe.close();
    await pubsub.close();
    await closeClient(publisher);
  };
  /** The node that the subscriber is connected to. */
  const node = () => cluster.at(subscriber.stream.remotePort ?? 0);
  return { pubsub, errors, gaps: () => gaps, node, close, [Symbol.asyncDispose]: close };
}

sessionStoreContract("Redis Cluster", async () => {
  const store = await openStore();
  return { store, dispose: () => store.close() };
});

pubSubContract("Redis Cluster", async () => {
  const [one, two] = [await openNode(), await openNode()];
  const dispose = async () => {
    await Promise.all([one.close(), two.close()]);
  };
  return { here: one.pubsub, there: two.pubsub, errors: one.errors, dispose };
});

const recordOf = (fingerprint: string) => `curfew:session:{${fingerprint}}`;

test("sessions of one user are spread over the masters and read from all of them", async () => {
  await using store = await openStore();
  const sessions = Array.from({ length: 2500 }, () => newSession("spread"));
  await Promise.all(sessions.map((session) => store.create(session)));
  const fingerprints = sessions.map(({ fingerprint }) => fingerprint);
  expect(await store.readMany(fingerprints, start)).toEqual(sessions.map(liveReading));
  expect(await store.listByUser("spread", start)).toHaveLength(2500);
  const masters = cluster.nodes.slice(0, 3);
  const counts = await Promise.all(masters.map((master) => master.command("DBSIZE")));
  expect(counts.every((count) => Number(count) > 500)).toBe(true);
});

test("while a slot is moved, sessions in it and in other slots can be read and written", async () => {
  await using store = await openStore();
  const sessions = Array.from({ length: 200 }, () => newSession());
  await Promise.all(sessions.map((session) => store.create(session)));
  const [moved] = sessions;
  if (moved === undefined) throw new Error("None");
  const slot = await cluster.slotOf(recordOf(moved.fingerprint));
  const source = await cluster.masterOf(slot);
  const target = cluster.nodes.slice(0, 3).find((node) => node !== source);
  if (target === undefined) throw new Error("None");
  const fingerprints = sessions.map(({ fingerprint }) => fingerprint);

  await cluster.beginMove(slot, source, target);
  expect(await store.readMany(fingerprints, start)).toEqual(sessions.map(liveReading));
  await cluster.moveKeys(slot, source, target);
  expect(await store.readMany(fingerprints, start)).toEqual(sessions.map(liveReading));
  // Neither node has the script: one replies ASK, the other NOSCRIPT.
  await target.command("SCRIPT", "FLUSH");
  const renewed = await renewIn(store, moved.fingerprint, 0, start);
  expect(renewed).toMatchObject({ outcome: "rotated", session: { generation: 1 } });
  await cluster.endMove(slot, source, target);
  expect(await store.end(moved.fingerprint, start)).toMatchObject({ generation: 1 });
  expect(await store.read(moved.fingerprint, start)).toBeUndefined();
});

test("ending a session waits only for its own node, not for the node of the index", async () => {
  await using store = await openStore();
  const masterOf = async (key: string) => cluster.masterOf(await cluster.slotOf(key));
  let session = newSession();
  const index = () => masterOf(`curfew:user:{${session.userId}}`);
  while ((await index()) === (await masterOf(recordOf(session.fingerprint))))
    session = newSession();
  await store.create(session);
  const hung = await index();
  hung.freeze();
  try {
    const elapsed = stopwatch();
    expect(await store.end(session.fingerprint, start)).toEqual(session);
    expect(elapsed()).toBeLessThan(timeLimit / 10);
  } finally {
    hung.thaw();
    await cluster.untilHealthy();
  }
});

test("messages of a topic arrive in the order of publishing", async () => {
  await using one = await openNode();
  await using two = await openNode();
  const heard = new Map<string, unknown[]>();
  const pubsub = Array.from({ length: 20 }, (_, i) => `ordered ${i}`);
  for (const topic of pubsub) {
    heard.set(topic, []);
    await one.pubsub.subscribe(topic, (message) => heard.get(topic)?.push(message));
  }
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  for (const number of numbers) {
    const sender = number % 2 ? one.pubsub : two.pubsub;
    await Promise.all(pubsub.map((topic) => sender.publish(topic, number)));
  }
  await until(() => pubsub.every((topic) => heard.get(topic)?.length === 40), "all messages");
  expect([...heard.values()]).toEqual(pubsub.map(() => numbers));
});

describe("a subscriber", () => {
  test("whose connection is closed goes to another node and reports missed messages", async () => {
    await using node = await openNode();
    const heard: unknown[] = [];
    await node.pubsub.subscribe("cut", (message) => heard.push(message));
    for (const round of [1, 2, 3]) {
      const before = node.node();
      await before.command("CLIENT", "KILL", "TYPE", "pubsub");
      await until(() => node.gaps() === round, "the gap");
      expect(node.node()).not.toBe(before);
      await node.pubsub.publish("cut", round);
      await until(() => heard.includes(round), "the message");
    }
  });

  test("whose node hangs detects that and goes to another", async () => {
    await using node = await openNode();
    await node.pubsub.subscribe("hung", () => {});
    const hung = node.node();
    hung.freeze();
    try {
      await until(() => node.gaps() === 1, "the gap");
      expect(node.node()).not.toBe(hung);
    } finally {
      hung.thaw();
      await cluster.untilHealthy();
    }
  });

  test("whose node leaves the cluster goes to another", async () => {
    await using node = await openNode();
    await node.pubsub.subscribe("left", () => {});
    // Only a replica can be removed easily: reconnect until the subscriber is on one.
    const isReplica = ({ flags }: NodeState) => flags.includes("slave");
    const states = (await cluster.states()).filter(isReplica);
    const replicas = new Set(states.map(({ port }) => cluster.at(port)));
    const isAtReplica = async () => {
      if (replicas.has(node.node())) return true;
      const gaps = node.gaps();
      await node.node().command("CLIENT", "KILL", "TYPE", "pubsub");
      await until(() => node.gaps() > gaps, "the gap");
      return replicas.has(node.node());
    };
    await until(isAtReplica, "a link to a replica");
    const [left, gaps] = [node.node(), node.gaps()];
    const id = await cluster.idOf(left);
    const others = cluster.nodes.filter((other) => other !== left);
    await Promise.all(others.map((other) => other.command("CLUSTER", "FORGET", id)));
    await left.command("CLUSTER", "RESET", "HARD");
    await until(() => node.gaps() > gaps, "the gap");
    expect(node.node()).not.toBe(left);
  });
});

test("a start with an unusable cluster fails with its addresses and without the password", async () => {
  const none = commandClient({ nodes: ["redis://someone:hunter2@127.0.0.1:1", "127.0.0.1:2"] });
  await expect(none).rejects.toThrow(
    /^The Redis cluster at 127\.0\.0\.1:1, 127\.0\.0\.1:2 cannot be used: nothing listens there$/,
  );
  const wrong = commandClient({ nodes: [`redis://someone:hunter2@${cluster.endpoints[0]}`] });
  await expect(wrong).rejects.toThrow(/cannot be used: .*WRONGPASS/);
  await using lone = await RedisProcess.start((await freePorts(1))[0] ?? 0, [
    "cluster-enabled yes",
  ]);
  const down = commandClient({ nodes: [lone.endpoint] });
  await expect(down).rejects.toThrow(/cannot be used: the cluster is down$/);
});

test("unsafe settings of several masters are reported once", async () => {
  const client = await commandClient({ nodes: cluster.endpoints });
  expect(await durabilityWarnings(client)).toEqual([expect.stringContaining("appendonly no")]);
  await closeClient(client);
});
