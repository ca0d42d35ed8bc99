/** The guaranteed bounds of the scenarios, and the settings that they follow from. */
import type { Env } from "../helpers/command.ts";
import type { Bounds } from "./check.ts";
import type { Redis } from "./cluster.ts";
import type { ScenarioContext } from "./scenario.ts";

/** Milliseconds. */
interface Settings {
  readonly recheckInterval: number;
  readonly outageGrace: number;
  /** Default: that of the server */
  readonly accessTokenTtl?: number;
}

export interface Scenario {
  readonly name: string;
  /** The parts of the bound, in words. */
  readonly guarantee: string;
  readonly bounds: Bounds;
  readonly settings: Settings;
  /** The environment of each node; two nodes with equal settings by default. */
  readonly nodes?: readonly Env[];
  /** Starts the Redis; by default a server that persists nothing. */
  readonly redis?: () => Promise<Redis>;
  /** Injects the fault, ends the victims' sessions and repairs the fault. */
  readonly run: (context: ScenarioContext) => Promise<void>;
}

/** Rechecks are too rare to detect an end. */
export const rareRechecks: Settings = { recheckInterval: 30_000, outageGrace: 30_000 };
export const defaults: Settings = { recheckInterval: 5000, outageGrace: 30_000 };
export const shortGrace: Settings = { recheckInterval: 1000, outageGrace: 3000 };
/** Short enough to wait for (ms). */
export const shortLived: Settings = { ...rareRechecks, accessTokenTtl: 5000 };
/** A failover may take longer than `shortGrace` allows. */
export const longGrace: Settings = { recheckInterval: 1000, outageGrace: 30_000 };
/** How often a node checks its deadlines (ms). */
export const tick = 250;
/** Allowance for a busy machine (ms). */
export const slack = 500;

/** The default of RENEWAL_GRACE (ms). */
const grace = 10_000;

export function guaranteed(guarantee: string, end: number, outage = Infinity) {
  return { guarantee, bounds: { end, endOnSameNode: slack, outage, grace } };
}
export const atOnce = guaranteed("at once", slack);
export const onReconnect = guaranteed("return of the link (0.5 s)", 500 + slack);
export const onRecheck = guaranteed(
  "recheck interval (1 s)",
  shortGrace.recheckInterval + tick + slack,
);
/** From the logout's response, which waits for the new master, until the other node has connected to it. */
export const onFailover = guaranteed(
  "a link to the new master (1 s), recheck interval (1 s)",
  2000 + tick + slack,
);
/** From the promotion of a replica, which Sentinels see at their next look, to the replay by a node that knows the ends. */
export const onReplay = guaranteed(
  "new master announced (1 s), a link to it (1 s), replay of the ends (0.25 s)",
  2250 + slack,
);
/** A message that is acknowledged and not heard for 3 s replaces the subscriber. Then all sessions are read again. */
export const onUnheardProbe = guaranteed(
  "unheard probe (4 s), return of the link (1 s)",
  5000 + slack,
);
/**
 * If messages are not heard on the next subscriber either, all links are replaced. Nodes do so one after the other,
 * and the first one asks a server that does not know the end until a node that knows it follows.
 */
export const untilLinksConverge = 2 * 5000 + slack;
/** Nothing leads to the session but its own tokens. */
export const onTokenExpiry = {
  guarantee: "access token's life (5 s)",
  bounds: {
    end: 5000 + tick + slack,
    // The node that changes the password does not find the session either.
    endOnSameNode: 5000 + tick + slack,
    outage: Infinity,
    // Shorter than the token's life.
    grace: 2000,
  },
} as const;
/** A node pings Redis every second and closes a connection that owes a reply for 3 s. */
export const onDeadLink = guaranteed("dead link (4 s), return of the link (0.5 s)", 4500 + slack);
export const withinGrace = guaranteed(
  "outage grace (3 s)",
  shortGrace.outageGrace + tick + slack,
  shortGrace.outageGrace + tick + slack,
);
