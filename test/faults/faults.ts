/** The scenarios: each fault, its guaranteed bound, and how it is injected. */
import { setTimeout as pause } from "node:timers/promises";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { RedisSentinels } from "../helpers/redis-sentinel.ts";
import { startRedis } from "../helpers/redis.ts";
import {
  startRenewals,
  failOverInCluster,
  failOverToReplica,
  freezeRedis,
  logoutNode,
  moveSlots,
  nodeNames,
  singleRedis,
  logOutVictims,
  otherNode,
} from "./actions.ts";
import {
  demoteMaster,
  evictAndChangePasswords,
  failOverAndRestart,
  failOverInClusterWithoutEnds,
  failOverWithoutEnds,
  restoreBackup,
  splitLinks,
} from "./lost-ends.ts";
import {
  rareRechecks,
  shortLived,
  onUnheardProbe,
  untilLinksConverge,
  onReplay,
  onTokenExpiry,
  defaults,
  shortGrace,
  longGrace,
  tick,
  slack,
  guaranteed,
  atOnce,
  onReconnect,
  onRecheck,
  onFailover,
  onDeadLink,
  withinGrace,
  type Scenario,
} from "./guarantees.ts";

const durable = () => startRedis(["--appendonly", "yes", "--appendfsync", "everysec"]);

const oldKey = "the-key-that-is-about-to-be-retired-0001";
const newKey = "the-key-that-takes-over-from-the-old-0002";

export const scenarios: readonly Scenario[] = [
  {
    name: "none",
    ...atOnce,
    settings: rareRechecks,
    run: logOutVictims,
  },
  {
    name: "link slow (200 ms each way)",
    ...guaranteed("at once, and the delay", 2 * 200 + slack),
    settings: rareRechecks,
    async run(context) {
      otherNode(context).proxy.delay(200);
      await logOutVictims(context);
    },
  },
  {
    name: "message lost",
    ...onRecheck,
    settings: shortGrace,
    async run(context) {
      otherNode(context).proxy.loseMessages('"ended"');
      await logOutVictims(context);
    },
  },
  {
    name: "publish refused, delete done",
    ...onRecheck,
    settings: shortGrace,
    async run(context) {
      const redis = singleRedis(context);
      await redis.command("ACL", "SETUSER", "default", "-publish");
      await logOutVictims(context);
      await pause(onRecheck.bounds.end);
      await redis.command("ACL", "SETUSER", "default", "+publish");
    },
  },
  {
    name: "subscribers killed during logout",
    ...onReconnect,
    settings: rareRechecks,
    async run(context) {
      const { random } = context;
      const redis = singleRedis(context);
      await Promise.all([
        pause(random.between(0, 5)).then(() => redis.command("CLIENT", "KILL", "TYPE", "pubsub")),
        pause(random.between(0, 5)).then(() => logOutVictims(context)),
      ]);
    },
  },
  {
    name: "links cut during logout",
    ...onReconnect,
    settings: rareRechecks,
    async run(context) {
      const { random } = context;
      await Promise.all([
        pause(random.between(0, 5)).then(() => otherNode(context).proxy.drop()),
        pause(random.between(0, 5)).then(() => logOutVictims(context)),
      ]);
    },
  },
  {
    name: "Redis killed and restarted from AOF",
    ...withinGrace,
    settings: shortGrace,
    redis: durable,
    async run(context) {
      const { random } = context;
      const redis = singleRedis(context);
      otherNode(context).proxy.loseMessages('"ended"');
      await logOutVictims(context);
      const recovered = context.trace.outage(nodeNames(context));
      await redis.kill();
      await pause(random.between(100, 4500));
      await redis.restart();
      recovered();
    },
  },
  {
    // A session that is missing from the store has ended: all users have to sign in again.
    name: "Redis killed and restarted empty",
    ...withinGrace,
    settings: shortGrace,
    async run(context) {
      const { random, trace, victims } = context;
      const redis = singleRedis(context);
      const recovered = trace.outage(nodeNames(context));
      await redis.kill();
      trace.record({ kind: "wiped" });
      for (const victim of victims) victim.stopLoggingIn();
      await pause(random.between(100, 4500));
      await redis.restart();
      recovered();
    },
  },
  {
    name: "Redis frozen for 10 s",
    ...guaranteed("the outage, and the recheck interval (5 s)", 15_000 + tick + slack),
    settings: defaults,
    run: (context) => freezeRedis(context, 10_000),
  },
  {
    // Also longer than RENEWAL_GRACE: clients with a renewal of unknown outcome retry after it.
    name: "Redis frozen, longer than the outage grace",
    ...withinGrace,
    settings: shortGrace,
    run: (context) => freezeRedis(context, 12_000, () => startRenewals(context)),
  },
  {
    name: "link half-open, the next one good",
    ...onDeadLink,
    settings: rareRechecks,
    async run(context) {
      const { proxy } = otherNode(context);
      proxy.halfOpen();
      proxy.heal();
      await logOutVictims(context);
    },
  },
  {
    name: "link half-open, longer than the outage grace",
    ...withinGrace,
    settings: shortGrace,
    async run(context) {
      const node = otherNode(context);
      const recovered = context.trace.outage([node.name]);
      node.proxy.halfOpen();
      await logOutVictims(context);
      await pause(context.random.between(4000, 5000));
      recovered();
      node.proxy.heal();
    },
  },
  {
    name: "link stalled, then all of it at once",
    ...withinGrace,
    settings: shortGrace,
    async run(context) {
      const node = otherNode(context);
      const recovered = context.trace.outage([node.name]);
      node.proxy.stall();
      await logOutVictims(context);
      await pause(context.random.between(1000, 5000));
      recovered();
      node.proxy.heal();
    },
  },
  {
    name: "node killed during logout",
    ...onRecheck,
    settings: shortGrace,
    async run(context) {
      const { random, victims } = context;
      const node = logoutNode(context);
      // In half of the runs Redis has certainly executed the logout, and the node has no reply yet.
      const isExecuted = random.next() < 0.5;
      if (isExecuted) node.proxy.stallReplies();
      await Promise.all([
        ...victims.map((victim) => victim.logout(node, !isExecuted)),
        pause(random.between(isExecuted ? 20 : 0, 30)).then(() => node.kill()),
      ]);
      // In half of the runs, rechecks detect the sessions that have ended before the logout is repeated.
      await pause(random.pick([0, 2000]));
      await logOutVictims(context, otherNode(context));
    },
  },
  {
    name: "Sentinel failover",
    ...onFailover,
    settings: longGrace,
    redis: () => RedisSentinels.start(),
    run: failOverToReplica,
  },
  {
    name: "Cluster failover",
    ...onFailover,
    settings: longGrace,
    redis: () => RedisCluster.start(),
    run: failOverInCluster,
  },
  {
    name: "Cluster slots moved during logout",
    ...atOnce,
    settings: rareRechecks,
    redis: () => RedisCluster.start(),
    run: moveSlots,
  },
  {
    name: "Sentinel failover that loses the end",
    ...atOnce,
    settings: rareRechecks,
    redis: () => RedisSentinels.start(),
    run: failOverWithoutEnds,
  },
  {
    name: "Cluster failover that loses the end",
    ...atOnce,
    settings: rareRechecks,
    redis: () => RedisCluster.start(),
    run: failOverInClusterWithoutEnds,
  },
  {
    name: "failover that loses the end, and a node restarts",
    ...onReplay,
    settings: rareRechecks,
    redis: () => RedisSentinels.start(),
    run: (context) => failOverAndRestart(context, onReplay.bounds.end),
  },
  {
    name: "address switched to another Redis while the old one lives",
    ...onUnheardProbe,
    settings: rareRechecks,
    run: (context) => splitLinks(context, untilLinksConverge),
  },
  {
    name: "demoted master that keeps its links",
    ...atOnce,
    settings: rareRechecks,
    run: demoteMaster,
  },
  {
    name: "eviction of a user's list of sessions, then a changed password",
    ...onTokenExpiry,
    settings: shortLived,
    run: (context) => evictAndChangePasswords(context, onTokenExpiry.bounds.end),
  },
  {
    name: "restored backup, then end-everybody",
    ...atOnce,
    settings: rareRechecks,
    run: restoreBackup,
  },
  {
    name: "two key rings during a rotation",
    ...atOnce,
    settings: rareRechecks,
    nodes: [{ CURFEW_SECRETS: `${newKey},${oldKey}` }, { CURFEW_SECRETS: `${oldKey},${newKey}` }],
    run: logOutVictims,
  },
  {
    name: "clocks 5 s apart",
    ...atOnce,
    settings: rareRechecks,
    nodes: [
      {},
      {
        NODE_OPTIONS: `--import=${new URL("clock-skew.ts", import.meta.url).href}`,
        CLOCK_AHEAD: "5000",
      },
    ],
    run: logOutVictims,
  },
];
