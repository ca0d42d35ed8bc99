/** What is promised under the faults, and the settings that it comes from. */
import type { Env } from "../helpers/command.ts";
import type { Bounds } from "./check.ts";
import type { Redis } from "./cluster.ts";
import type { World } from "./scenario.ts";

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
  /** A server that persists nothing, unless given. */
  readonly redis?: () => Promise<Redis>;
  /** Brings the fault about, ends the sessions of the victims, and heals what it broke. */
  readonly act: (world: World) => Promise<void>;
}

/** Rechecks are rare, so that nothing is found out by one. */
export const unchecked: Settings = { recheckInterval: 30_000, outageGrace: 30_000 };
export const defaults: Settings = { recheckInterval: 5000, outageGrace: 30_000 };
export const short: Settings = { recheckInterval: 1000, outageGrace: 3000 };
/** A failover may take longer than a short grace. */
export const patient: Settings = { recheckInterval: 1000, outageGrace: 30_000 };
/** How often a node looks at the clock. */
export const tick = 250;
/** For a machine that does other things too. */
export const slack = 500;

/** The default of RENEWAL_GRACE. */
const grace = 10_000;

export function promised(promise: string, end: number, outage = Infinity) {
  return { promise, bounds: { end, own: slack, outage, grace } };
}
export const atOnce = promised("at once", slack);
export const byReturn = promised("return of the link (0.5 s)", 500 + slack);
export const byRecheck = promised("recheck interval (1 s)", short.recheckInterval + tick + slack);
/** From the answer to a logout, which waits for the new master, until the other node has it too. */
export const byFailover = promised(
  "a link to the new master (1 s), recheck interval (1 s)",
  2000 + tick + slack,
);
/** A link that owes an answer for 3 s is given up, and it is asked every second. */
export const deadLink = promised("dead link (4 s), return of the link (0.5 s)", 4500 + slack);
export const withinGrace = promised(
  "outage grace (3 s)",
  short.outageGrace + tick + slack,
  short.outageGrace + tick + slack,
);
