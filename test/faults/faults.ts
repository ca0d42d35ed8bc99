/** The faults: what is promised under each, and how it is brought about. */
import { setTimeout as pause } from "node:timers/promises";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { RedisSentinels } from "../helpers/redis-sentinel.ts";
import { startRedis } from "../helpers/redis.ts";
import {
  beginRenewals,
  failOverInCluster,
  failOverToReplica,
  freeze,
  here,
  moveSlots,
  names,
  oneRedis,
  signOut,
  there,
} from "./actions.ts";
import {
  unchecked,
  defaults,
  short,
  patient,
  tick,
  slack,
  promised,
  atOnce,
  byReturn,
  byRecheck,
  byFailover,
  deadLink,
  withinGrace,
  type Scenario,
} from "./promise.ts";

const durable = () => startRedis(["--appendonly", "yes", "--appendfsync", "everysec"]);

const oldKey = "the-key-that-is-about-to-be-retired-0001";
const newKey = "the-key-that-takes-over-from-the-old-0002";

export const scenarios: readonly Scenario[] = [
  {
    name: "none",
    ...atOnce,
    settings: unchecked,
    act: signOut,
  },
  {
    name: "link slow (200 ms each way)",
    ...promised("at once, and the delay", 2 * 200 + slack),
    settings: unchecked,
    async act(world) {
      there(world).proxy.delay(200);
      await signOut(world);
    },
  },
  {
    name: "message lost",
    ...byRecheck,
    settings: short,
    async act(world) {
      there(world).proxy.loseMessages('"ended"');
      await signOut(world);
    },
  },
  {
    name: "publish refused, delete done",
    ...byRecheck,
    settings: short,
    async act(world) {
      const redis = oneRedis(world);
      await redis.command("ACL", "SETUSER", "default", "-publish");
      await signOut(world);
      await pause(byRecheck.bounds.end);
      await redis.command("ACL", "SETUSER", "default", "+publish");
    },
  },
  {
    name: "subscribers killed during logout",
    ...byReturn,
    settings: unchecked,
    async act(world) {
      const { random } = world;
      const redis = oneRedis(world);
      await Promise.all([
        pause(random.between(0, 5)).then(() => redis.command("CLIENT", "KILL", "TYPE", "pubsub")),
        pause(random.between(0, 5)).then(() => signOut(world)),
      ]);
    },
  },
  {
    name: "links cut during logout",
    ...byReturn,
    settings: unchecked,
    async act(world) {
      const { random } = world;
      await Promise.all([
        pause(random.between(0, 5)).then(() => there(world).proxy.drop()),
        pause(random.between(0, 5)).then(() => signOut(world)),
      ]);
    },
  },
  {
    name: "Redis killed and restarted from AOF",
    ...withinGrace,
    settings: short,
    redis: durable,
    async act(world) {
      const { random } = world;
      const redis = oneRedis(world);
      there(world).proxy.loseMessages('"ended"');
      await signOut(world);
      const recovered = world.trace.outage(names(world));
      await redis.kill();
      await pause(random.between(100, 4500));
      await redis.restart();
      recovered();
    },
  },
  {
    // What is not in the store has ended, whatever became of it: everybody has to sign in again.
    name: "Redis killed and restarted empty",
    ...withinGrace,
    settings: short,
    async act(world) {
      const { random, trace, victims } = world;
      const redis = oneRedis(world);
      const recovered = trace.outage(names(world));
      await redis.kill();
      trace.note({ kind: "wiped" });
      for (const victim of victims) victim.giveUp();
      await pause(random.between(100, 4500));
      await redis.restart();
      recovered();
    },
  },
  {
    name: "Redis frozen for 10 s",
    ...promised("the outage, and the recheck interval (5 s)", 15_000 + tick + slack),
    settings: defaults,
    act: (world) => freeze(world, 10_000),
  },
  {
    // Longer than the grace of a renewal too: he whose renewal is in doubt asks again after that.
    name: "Redis frozen, longer than the outage grace",
    ...withinGrace,
    settings: short,
    act: (world) => freeze(world, 12_000, () => beginRenewals(world)),
  },
  {
    name: "link half-open, the next one good",
    ...deadLink,
    settings: unchecked,
    async act(world) {
      const { proxy } = there(world);
      proxy.halfOpen();
      proxy.heal();
      await signOut(world);
    },
  },
  {
    name: "link half-open, longer than the outage grace",
    ...withinGrace,
    settings: short,
    async act(world) {
      const node = there(world);
      const recovered = world.trace.outage([node.name]);
      node.proxy.halfOpen();
      await signOut(world);
      await pause(world.random.between(4000, 5000));
      recovered();
      node.proxy.heal();
    },
  },
  {
    name: "link stalled, then all of it at once",
    ...withinGrace,
    settings: short,
    async act(world) {
      const node = there(world);
      const recovered = world.trace.outage([node.name]);
      node.proxy.stall();
      await signOut(world);
      await pause(world.random.between(1000, 5000));
      recovered();
      node.proxy.heal();
    },
  },
  {
    name: "node killed during logout",
    ...byRecheck,
    settings: short,
    async act(world) {
      const { random, victims } = world;
      const node = here(world);
      // In half of the runs Redis has done it for certain, and the node does not know yet.
      const isDone = random.next() < 0.5;
      if (isDone) node.proxy.stallReplies();
      await Promise.all([
        ...victims.map((victim) => victim.logout(node, !isDone)),
        pause(random.between(isDone ? 20 : 0, 30)).then(() => node.kill()),
      ]);
      // What had ended by then is found out without being told again.
      await pause(random.pick([0, 2000]));
      await signOut(world, there(world));
    },
  },
  {
    name: "Sentinel failover",
    ...byFailover,
    settings: patient,
    redis: () => RedisSentinels.start(),
    act: failOverToReplica,
  },
  {
    name: "Cluster failover",
    ...byFailover,
    settings: patient,
    redis: () => RedisCluster.start(),
    act: failOverInCluster,
  },
  {
    name: "Cluster slots moved during logout",
    ...atOnce,
    settings: unchecked,
    redis: () => RedisCluster.start(),
    act: moveSlots,
  },
  {
    name: "two key rings during a rotation",
    ...atOnce,
    settings: unchecked,
    nodes: [{ CURFEW_SECRETS: `${newKey},${oldKey}` }, { CURFEW_SECRETS: `${oldKey},${newKey}` }],
    act: signOut,
  },
  {
    name: "clocks 5 s apart",
    ...atOnce,
    settings: unchecked,
    nodes: [
      {},
      {
        NODE_OPTIONS: `--import=${new URL("skew.ts", import.meta.url).href}`,
        CLOCK_AHEAD: "5000",
      },
    ],
    act: signOut,
  },
];
