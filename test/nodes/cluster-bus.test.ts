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

  await filter(publishPackets);
  const before = await Promise.all(others.map(received));
  expect(await logout(here.url, accessToken)).toBe(1);
  await until(async () => {
    const after = await Promise.all(others.map(received));
    return after.every((count, i) => count > (before[i] ?? 0));
  }, "the packets to be dropped");
  await filter(-1);
  // No failover: it would make the nodes ask each other.
  const replica = await cluster.replicaOf(master);
  replica.freeze();
  await master.kill();

  const gaps = async () => (await metricsOf(there.url)).sum("curfew_topic_gaps_total");
  const gapsBefore = await gaps();
  const ends = async () => (await metricsOf(there.url)).sum("curfew_ends_remembered");
  await until(async () => (await ends()) === 1, "the other node to know the end");
  // It has not asked for missed messages, as it does after a gap.
  expect(await gaps()).toBe(gapsBefore);
  const answer = await ask(there.url, "{ own }", { token: accessToken });
  expect(answer.errors?.[0]?.extensions).toMatchObject({ reason: "ENDED", endReason: "LOGOUT" });
});
