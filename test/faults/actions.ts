/** What the scenarios are made of. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "./client.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import { RedisSentinels } from "../helpers/redis-sentinel.ts";
import type { RedisServer } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";
import type { Node } from "./cluster.ts";
import type { World } from "./scenario.ts";

/** Where the victims sign out. */
export function here({ nodes }: World): Node {
  return nodes[0] as Node;
}

/** Where that has to be heard of. */
export function there({ nodes }: World): Node {
  return nodes[1] as Node;
}

export function names({ nodes }: World): string[] {
  return nodes.map(({ name }) => name);
}

export function oneRedis({ redis }: World): RedisServer {
  if (redis instanceof RedisSentinels || redis instanceof RedisCluster)
    throw new Error("This Redis is many servers");
  return redis;
}

/** Repeats what was not acknowledged, as a time-out says nothing. */
export async function signOut(
  world: World,
  node: Node = here(world),
  victims = world.victims,
): Promise<void> {
  const end = async (victim: Client) => {
    while (!(await victim.logout(node))) await pause(100);
  };
  await Promise.all(victims.map(end));
}

/** After the end, which the other node does not hear of, Redis answers nobody. */
export async function freeze(
  world: World,
  milliseconds: number,
  begin = async () => {},
): Promise<void> {
  there(world).proxy.loseMessages('"ended"');
  await signOut(world);
  await begin();
  const recovered = world.trace.outage(names(world));
  const redis = oneRedis(world);
  redis.freeze();
  await pause(milliseconds);
  recovered();
  redis.thaw();
}

/** Resolves while renewals are between their two round trips: Redis gets the second, and it is not answered. */
export async function beginRenewals({ trace, nodes, others }: World): Promise<void> {
  const latency = 100;
  for (const { proxy } of nodes) proxy.delay(latency);
  // A timer may be a millisecond early.
  trace.note({ kind: "slow", by: 3 * (latency - 1) });
  for (const client of others) client.renewNext();
  await pause(3.5 * latency);
}

/**
 * The first victim has signed out, and the replicas have that, when the master dies: what they have not
 * got is lost, and no server could keep it. The others sign out while there is no master.
 */
async function dies(world: World, master: RedisProcess, replicas: readonly RedisProcess[]) {
  await signOut(world, here(world), world.victims.slice(0, 1));
  for (const replica of replicas) await replica.untilInSyncWith(master);
  await pause(world.random.between(0, 20));
  await master.kill();
  await signOut(world);
}

/** The master that three Sentinels watch dies. */
export async function failOverToReplica(world: World): Promise<void> {
  const { redis } = world;
  if (!(redis instanceof RedisSentinels)) throw new Error("This Redis has no Sentinels");
  await dies(world, await redis.master(), await redis.replicas());
}

/** The master of a cluster that has the last victim's session dies. */
export async function failOverInCluster(world: World): Promise<void> {
  const redis = clusterOf(world);
  const master = await redis.masterOf(await slotOf(redis, world.victims.at(-1)));
  await dies(world, master, [await redis.replicaOf(master)]);
}

/** Each victim signs out while the slot of its session is on its way to another master. */
export async function moveSlots(world: World): Promise<void> {
  const redis = clusterOf(world);
  for (const victim of world.victims) {
    const slot = await slotOf(redis, victim);
    const source = await redis.masterOf(slot);
    const target = redis.nodes.slice(0, 3).find((node) => node !== source);
    if (target === undefined) throw new Error("No other master");
    await redis.beginMove(slot, source, target);
    // In half of the runs the session has been moved by then, and the slot has not.
    const early = world.random.next() < 0.5;
    if (early) await signOut(world, here(world), [victim]);
    await redis.moveKeys(slot, source, target);
    if (!early) await signOut(world, here(world), [victim]);
    await redis.endMove(slot, source, target);
    await until(async () => (await redis.masterOf(slot)) === target, "the nodes to know");
  }
}

function clusterOf({ redis }: World): RedisCluster {
  if (!(redis instanceof RedisCluster)) throw new Error("This Redis is no cluster");
  return redis;
}

async function slotOf(redis: RedisCluster, client: Client | undefined): Promise<number> {
  return redis.slotOf(`curfew:session:{${client?.session}}`);
}
