/** The actions from which the scenarios are built. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "./client.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import { RedisSentinels } from "../helpers/redis-sentinel.ts";
import type { RedisServer } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";
import type { Node } from "./cluster.ts";
import type { ScenarioContext } from "./scenario.ts";

/** The node on which the victims log out. */
export function logoutNode({ nodes }: ScenarioContext): Node {
  return nodes[0] as Node;
}

/** The node that has to learn of the logout. */
export function otherNode({ nodes }: ScenarioContext): Node {
  return nodes[1] as Node;
}

export function nodeNames({ nodes }: ScenarioContext): string[] {
  return nodes.map(({ name }) => name);
}

export function singleRedis({ redis }: ScenarioContext): RedisServer {
  if (redis instanceof RedisSentinels || redis instanceof RedisCluster)
    throw new Error("This Redis has several servers");
  return redis;
}

/** Logs out each victim; retries until the logout is acknowledged, because a time-out leaves its outcome unknown. */
export async function logOutVictims(
  context: ScenarioContext,
  node: Node = logoutNode(context),
  victims = context.victims,
): Promise<void> {
  const end = async (victim: Client) => {
    while (!(await victim.logout(node))) await pause(100);
  };
  await Promise.all(victims.map(end));
}

/** Logs out, loses the message to the other node, then freezes Redis (ms). */
export async function freezeRedis(
  context: ScenarioContext,
  milliseconds: number,
  beforeFreeze = async () => {},
): Promise<void> {
  otherNode(context).proxy.loseMessages('"ended"');
  await logOutVictims(context);
  await beforeFreeze();
  const recovered = context.trace.outage(nodeNames(context));
  const redis = singleRedis(context);
  redis.freeze();
  await pause(milliseconds);
  recovered();
  redis.thaw();
}

/** Starts renewals; resolves between their two round trips, so that Redis receives the second and cannot reply. */
export async function startRenewals({ trace, nodes, others }: ScenarioContext): Promise<void> {
  const latency = 100;
  for (const { proxy } of nodes) proxy.delay(latency);
  // A timer may be a millisecond early.
  trace.record({ kind: "slow", by: 3 * (latency - 1) });
  for (const client of others) client.renewNext();
  await pause(3.5 * latency);
}

/**
 * Kills the master when the first victim has logged out and the replicas are in sync: writes that are not
 * replicated are lost with any server. The other victims log out while there is no master.
 */
async function killMaster(
  context: ScenarioContext,
  master: RedisProcess,
  replicas: readonly RedisProcess[],
) {
  await logOutVictims(context, logoutNode(context), context.victims.slice(0, 1));
  for (const replica of replicas) await replica.untilInSyncWith(master);
  await pause(context.random.between(0, 20));
  await master.kill();
  await logOutVictims(context);
}

/** Kills the master, for which three Sentinels promote a replica. */
export async function failOverToReplica(context: ScenarioContext): Promise<void> {
  const redis = sentinelsOf(context);
  await killMaster(context, await redis.master(), await redis.replicas());
}

/** Kills the cluster's master that stores the last victim's session. */
export async function failOverInCluster(context: ScenarioContext): Promise<void> {
  const redis = clusterOf(context);
  const master = await redis.masterOf(await slotOf(redis, context.victims.at(-1)));
  await killMaster(context, master, [await redis.replicaOf(master)]);
}

/** Logs out each victim while the slot of its session moves to another master. */
export async function moveSlots(context: ScenarioContext): Promise<void> {
  const redis = clusterOf(context);
  for (const victim of context.victims) {
    const slot = await slotOf(redis, victim);
    const source = await redis.masterOf(slot);
    const target = redis.nodes.slice(0, 3).find((node) => node !== source);
    if (target === undefined) throw new Error("No other master");
    await redis.beginMove(slot, source, target);
    // In half of the runs the key has moved before the logout, and the slot has not.
    const isBeforeMove = context.random.next() < 0.5;
    if (isBeforeMove) await logOutVictims(context, logoutNode(context), [victim]);
    await redis.moveKeys(slot, source, target);
    if (!isBeforeMove) await logOutVictims(context, logoutNode(context), [victim]);
    await redis.endMove(slot, source, target);
    await until(
      async () => (await redis.masterOf(slot)) === target,
      "the nodes to learn of the move",
    );
  }
}

export function sentinelsOf({ redis }: ScenarioContext): RedisSentinels {
  if (!(redis instanceof RedisSentinels)) throw new Error("This Redis has no Sentinels");
  return redis;
}

export function clusterOf({ redis }: ScenarioContext): RedisCluster {
  if (!(redis instanceof RedisCluster)) throw new Error("This Redis is no cluster");
  return redis;
}

export async function slotOf(redis: RedisCluster, client: Client | undefined): Promise<number> {
  return redis.slotOf(`curfew:session:{${client?.session}}`);
}
