/** The faults: what is promised under each, and how it is brought about. */
import { setTimeout as pause } from "node:timers/promises";
import type { Env } from "../helpers/command.ts";
import { freeze, here, names, signOut, there } from "./acts.ts";
import type { Bounds } from "./check.ts";
import type { World } from "./play.ts";

/** In milliseconds. */
interface Settings {
  readonly recheckInterval: number;
  readonly outageGrace: number;
}

export interface Scenario {
  readonly name: string;
  /** What the bound is made of. */
  readonly promise: string;
  readonly bounds: Bounds;
  readonly settings: Settings;
  /** What each node has for itself; two that are alike, unless given. */
  readonly nodes?: readonly Env[];
  /** Arguments for the Redis server. */
  readonly redis?: readonly string[];
  /** Brings the fault about, ends the sessions of the victims, and heals what it broke. */
  readonly act: (world: World) => Promise<void>;
}

/** Rechecks are rare, so that nothing is found out by one. */
const unchecked: Settings = { recheckInterval: 30_000, outageGrace: 30_000 };
const defaults: Settings = { recheckInterval: 5000, outageGrace: 30_000 };
const short: Settings = { recheckInterval: 1000, outageGrace: 3000 };
/** How often a node looks at the clock. */
const tick = 250;
/** For a machine that does other things too. */
const slack = 500;

function promised(promise: string, milliseconds: number) {
  return { promise, bounds: { end: milliseconds, outage: Infinity } };
}
const atOnce = promised("at once", slack);
const byReturn = promised("return of the link (0.5 s)", 500 + slack);
const byRecheck = promised("recheck interval (1 s)", short.recheckInterval + tick + slack);
/** A link that owes an answer for 3 s is given up, and it is asked every second. */
const deadLink = promised("dead link (4 s), return of the link (0.5 s)", 4500 + slack);
const withinGrace = {
  promise: "outage grace (3 s)",
  bounds: { end: short.outageGrace + tick + slack, outage: short.outageGrace + tick + slack },
};

const durable = ["--appendonly", "yes", "--appendfsync", "everysec"];

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
      there(world).proxy.lose('"ended"');
      await signOut(world);
    },
  },
  {
    name: "publish refused, delete done",
    ...byRecheck,
    settings: short,
    async act(world) {
      await world.redis.command("ACL", "SETUSER", "default", "-publish");
      await signOut(world);
      await pause(byRecheck.bounds.end);
      await world.redis.command("ACL", "SETUSER", "default", "+publish");
    },
  },
  {
    name: "subscribers killed during logout",
    ...byReturn,
    settings: unchecked,
    async act(world) {
      const { redis, random } = world;
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
      const { redis, random } = world;
      there(world).proxy.lose('"ended"');
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
    async act({ redis, random, trace, victims, ...world }) {
      const recovered = trace.outage(world.nodes.map(({ name }) => name));
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
    name: "Redis frozen, longer than the outage grace",
    ...withinGrace,
    settings: short,
    act: (world) => freeze(world, 6000),
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
      if (isDone) node.proxy.stallAnswers();
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
