/** The probe of the links to Redis with Sentinels and to a cluster: delivery through each master, and failovers. */
import { describe, expect, test } from "vitest";
import type { Cluster, Redis } from "ioredis";
import { commandLinks } from "../../src/stores/redis/command-links.ts";
import { openProbedNode } from "../helpers/probed-node.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { masterName, RedisSentinels } from "../helpers/redis-sentinel.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

expectNothingUnhandled();

const bound = 30_000;

describe("with Sentinels", () => {
  test("a failover is another store, and messages arrive again", async () => {
    await using redis = await RedisSentinels.start();
    await using node = await openProbedNode({ sentinels: redis.endpoints, name: masterName });
    const old = await redis.master();
    for (const replica of await redis.replicas()) await replica.untilInSyncWith(old);
    await redis.beginFailover();
    await redis.untilFailedOver(old);
    await node.untilBack("commands");
    await until(() => node.replacements() > 0, "the other store");
    await until(() => node.isHeard(bound).catch(() => false), "a message");
  });

  test("a frozen master is left for its successor", async () => {
    await using redis = await RedisSentinels.start();
    await using node = await openProbedNode({ sentinels: redis.endpoints, name: masterName });
    const old = await redis.master();
    for (const replica of await redis.replicas()) await replica.untilInSyncWith(old);
    old.freeze();
    try {
      await redis.untilFailedOver(old);
      await node.untilBack("commands");
      await until(() => node.replacements() > 0, "the other store");
      await until(() => node.isHeard(bound).catch(() => false), "a message");
    } finally {
      old.thaw();
    }
  });
});

describe("with a cluster", () => {
  const portsOf = (client: Redis | Cluster) =>
    commandLinks(client).map(({ options }) => options.port);

  test("a promoted replica is another store, also where the link to it existed before", async () => {
    await using cluster = await RedisCluster.start();
    await using node = await openProbedNode({ nodes: cluster.endpoints });
    const master = await cluster.masterOf(0);
    const replica = await cluster.replicaOf(master);
    await replica.untilInSyncWith(master);
    expect(portsOf(node.commands)).not.toContain(replica.port);
    await replica.command("CLUSTER", "FAILOVER");
    await until(() => node.replacements() > 0, "the other store");
    await until(() => portsOf(node.commands).includes(replica.port), "the new master");
    await until(() => node.isHeard(bound).catch(() => false), "a message");
    expect(node.events.filter((event) => event.startsWith("subscriber"))).toEqual([]);
  });

  test("a killed master is named in the cause, and its successor ends the loss", async () => {
    await using cluster = await RedisCluster.start();
    await using node = await openProbedNode({ nodes: cluster.endpoints });
    const subscribed = node.subscriber.stream.remotePort;
    const master = cluster.nodes.slice(0, 3).find(({ port }) => port !== subscribed);
    if (master === undefined) throw new Error("None");
    await (await cluster.replicaOf(master)).untilInSyncWith(master);
    await master.kill();
    await node.untilBack("commands");
    expect(node.events.join()).toContain(`commands lost: ${master.endpoint}: `);
    await until(() => node.replacements() > 0, "the other store");
    await until(() => node.isHeard(bound).catch(() => false), "a message");
  });

  test("a link to one master that is cut is replaced, and the store is the same", async () => {
    await using cluster = await RedisCluster.start();
    await using node = await openProbedNode({ nodes: cluster.endpoints });
    await cluster.nodes[0]?.command("CLIENT", "KILL", "TYPE", "normal");
    await node.untilBack("commands");
    await until(() => portsOf(node.commands).length === 3, "the link");
    expect(await node.isHeard(bound)).toBe(true);
    expect(node.replacements()).toBe(0);
  });

  test("a subscriber whose node no longer belongs to the cluster moves to another node", async () => {
    await using cluster = await RedisCluster.start();
    await using node = await openProbedNode({ nodes: cluster.endpoints });
    const portOf = () => node.subscriber.stream.remotePort ?? 0;
    const replicas = new Set(cluster.nodes.slice(3).map(({ port }) => port));
    while (!replicas.has(portOf())) {
      const { stream } = node.subscriber;
      node.subscriber.disconnect(true);
      const isBack = () => node.subscriber.stream !== stream && node.subscriber.status === "ready";
      await until(isBack, "the subscriber");
    }
    await until(() => node.isHeard(bound).catch(() => false), "a message");
    const lone = cluster.at(portOf());
    await lone.command("CLUSTER", "RESET", "SOFT");
    await until(() => portOf() !== lone.port && node.subscriber.status === "ready", "another node");
    await until(() => node.isHeard(bound).catch(() => false), "a message");
    expect(node.events.join()).toMatch(/subscriber lost: (messages that|the node has left)/);
  });
});
