/** The options of the probe of the links to Redis, and the port that it offers to the session store. */
import type { Redis } from "ioredis";
import type { RedisClient, RedisLimits } from "./client.ts";
import type { LinkObserver } from "./link-state.ts";
import type { Trial } from "./rights.ts";

export interface LinkProbeOptions {
  readonly commands: RedisClient;
  /** Absent if the app brings its own pub/sub. */
  readonly subscriber?: Redis;
  /** Names the server in errors of the start: `Redis at host:6379`. */
  readonly serverName: string;
  /** The channel of this node's probe. No other node uses it. */
  readonly channel: string;
  /** A part of the keys of the trials, which differs for each node. */
  readonly id: string;
  readonly limits: RedisLimits;
  readonly observer: LinkObserver;
  /** Reads the run id of the server that the address leads to now. See `runIdAt`. */
  readonly locate?: () => Promise<string | undefined>;
  /** Tries whatever else the node needs of Redis. */
  readonly trials?: readonly Trial[];
  /** A master of a cluster cannot be reached any more. The messages that it has not passed on are lost. */
  readonly onMasterLost?: () => void;
  /** The link for commands is back, and what was read before may be out of date. */
  readonly onCommandsReturned?: () => void;
  /** Receives what listeners throw. */
  readonly onError: (error: unknown) => void;
}

/** Another store may answer from now on. */
export interface StoreReplacements {
  /** Returns a function that removes the listener. */
  onReplaced(listener: () => void): () => void;
}
