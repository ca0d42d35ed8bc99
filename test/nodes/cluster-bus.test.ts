/** A master of a cluster that dies before it has passed the message of an end on to the other nodes of the cluster. */
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { ask, logout, register } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { until } from "../helpers/until.ts";

/** The type of PUBLISH packets on the bus of a cluster. */
const publishPackets = 4;

async function received(node: RedisProcess): Promise<number> {
  const info = String(await node.command("CLUSTER", "INFO"));
  return Number(/cluster_stats_messages_publish_received:(\d+)/.exec(info)?.[1] ?? 0);
}

async function gapsOf(url: string): Promise<number> {
  return (await metricsOf(url)).sum("curfew_topic_gaps_total");
}

async function isReady({ url }: { readonly url: string }): Promise<boolean> {
  return (await fetch(new URL("/ready", url))).status === 200;
}

it("an end that a dying master of a cluster has not passed on reaches the other nodes at once", async () => {
  await using cluster = await RedisCluster.start();
  const options = { ...testApp().schema, ...rareRechecks };
  await using nodes = await startNodes({ redisClusterNodes: cluster.endpoints }, options);
  const { here, there } = nodes;
  const { accessToken, sessionId } = await register(here.url);
  const key = `curfew:session:{${sessionId}}`;
  const master = await cluster.masterOf(await cluster.slotOf(key));
  const others = cluster.nodes.filter((node) => node !== master);
  const filter = (type: number) =>
    Promise.all(others.map((node) => node.command("DEBUG", "DROP-CLUSTER-PACKET-FILTER", type)));

  const replica = await cluster.replicaOf(master);
  // A subscriber of one of these would have a gap below.
  const isLeft = async (node: RedisProcess) => {
    if (String(await node.command("PUBSUB", "CHANNELS")) === "") return true;
    await node.command("CLIENT", "KILL", "TYPE", "pubsub");
    return false;
  };
  await until(
    async () => (await Promise.all([master, replica].map(isLeft))).every(Boolean),
    "the subscribers to move",
  );
  await until(
    async () => (await Promise.all([here, there].map(isReady))).every(Boolean),
    "the nodes to be ready",
  );
  const gapsBefore = await gapsOf(there.url);

  await filter(publishPackets);
  const before = await Promise.all(others.map(received));
  expect(await logout(here.url, accessToken)).toBe(1);
  await until(async () => {
    const after = await Promise.all(others.map(received));
    return after.every((count, i) => count > (before[i] ?? 0));
  }, "the packets to be dropped");
  await filter(-1);
  // No failover: it would make the nodes ask each other.
  replica.freeze();
  await master.kill();

  let page = await metricsOf(there.url);
  await until(async () => {
    page = await metricsOf(there.url);
    return page.sum("curfew_ends_remembered") === 1;
  }, "the other node to know the end");
  // It has not asked for missed messages, as it does after a gap.
  expect(page.sum("curfew_topic_gaps_total")).toBe(gapsBefore);
  const answer = await ask(there.url, "{ own }", { token: accessToken });
  expect(answer.errors?.[0]?.extensions).toMatchObject({ reason: "ENDED", endReason: "LOGOUT" });
});
