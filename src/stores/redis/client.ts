/** Redis clients that fail fast, never repeat a command by themselves and detect a dead connection. */
import { Cluster, Redis } from "ioredis";
import {
  describeAddress,
  endpoint,
  wrongUrl,
  type ClusterAddress,
  type RedisAddress,
  type SentinelAddress,
} from "./address.ts";
import { causeOf } from "./reply-errors.ts";
import { sentinelOptions } from "./sentinel.ts";
import { allReached, clusterClient, ClusterPath, type LinkOptions } from "./cluster.ts";

export type RedisClient = Redis | Cluster;

/** How many time-outs a start waits for Redis to reply: a machine is busy while much starts on it. */
export const timeoutsAtStart = 10;

/** All in milliseconds. */
export interface RedisLimits {
  /** From sending a command, or a batch of them, to its reply. */
  readonly commandTimeout: number;
  /** For an attempt to connect, and for a connection that is silent while a reply is due. */
  readonly linkTimeout: number;
  /** Between probes of the links, at most. */
  readonly probeInterval: number;
}

/**
 * Commands fail at once: an error does less harm than a command that waits for Redis to return, or that is
 * sent twice because only its reply was lost.
 */
const failFast = ({ linkTimeout }: RedisLimits) =>
  ({
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    // No `CLIENT SETINFO`: nothing needs it, and Redis's ACL log would note that the user may not run it.
    disableClientInfo: true,
    autoResendUnfulfilledCommands: false,
    connectTimeout: linkTimeout,
    socketTimeout: linkTimeout,
    sentinelCommandTimeout: linkTimeout,
    /** Short delays between attempts to connect: they add to the duration of a failover. */
    retryStrategy: (times: number) => Math.min(50 * 2 ** times, 1000) * (0.5 + Math.random() / 2),
    /** The master has become a replica: the same address may lead to the new master by now. */
    reconnectOnError: ({ message }: Error) => message.startsWith("READONLY"),
  }) satisfies LinkOptions;

/**
 * The client for everything except subscriptions. To one server it sends commands in batches, and a batch
 * waits for the one before: if Redis hangs, a command fails after at most twice the `commandTimeout`.
 *
 * @param options `pipelines`: whether to send commands in batches. Default: true
 */
export async function commandClient(
  address: RedisAddress,
  limits: RedisLimits,
  { pipelines = true }: { readonly pipelines?: boolean } = {},
): Promise<RedisClient> {
  const options = { ...failFast(limits), commandTimeout: limits.commandTimeout };
  const client = isCluster(address)
    ? clusterClient(address, options)
    : plainClient(address, {
        ...options,
        enableAutoPipelining: pipelines,
        // A batch by itself, which does not wait for others.
        autoPipeliningIgnoredCommands: ["mget"],
      });
  await untilUsable(client, address, limits, limits.commandTimeout);
  if (client instanceof Cluster) await allReached(client);
  return client;
}

/** The connections to clusters, to see whether they still lead to a node of the cluster. */
const clusterPaths = new WeakMap<Redis, ClusterPath>();

/** Whether the subscriber's node has left the cluster: then it receives no more messages, without an error. */
export function isStale(subscriber: Redis): boolean {
  return clusterPaths.get(subscriber)?.isStale() ?? false;
}

/**
 * The client for subscriptions. It waits for no replies, so a dead connection is detected only by the
 * probe of the links. The caller subscribes again after each 'ready': ioredis could do it, but does not report when
 * or whether it succeeded, and its failure is an unhandled rejection.
 *
 * @param commands the client for commands, which knows the current nodes of a cluster
 */
export async function subscriberClient(
  address: RedisAddress,
  limits: RedisLimits,
  commands?: RedisClient,
): Promise<Redis> {
  const options = { ...failFast(limits), autoResubscribe: false };
  const path = isCluster(address) ? new ClusterPath(address, commands) : undefined;
  const client = path
    ? new Redis({ ...options, ...path.options, replyMapping: "legacy" })
    : plainClient(address as Exclude<RedisAddress, ClusterAddress>, options);
  if (path) clusterPaths.set(client, path);
  await untilUsable(client, address, limits, limits.linkTimeout);
  return client;
}

/**
 * The run id of the server that the address leads to now: links stay with the server that it led to when they were
 * opened. Undefined if the server does not answer or does not show it, and for Sentinels and clusters, which report
 * another master themselves.
 */
export async function runIdAt(
  address: RedisAddress,
  limits: RedisLimits,
): Promise<string | undefined> {
  if (typeof address !== "string") return undefined;
  const { commandTimeout } = limits;
  const once = { commandTimeout, retryStrategy: () => null, lazyConnect: true };
  const client = plainClient(address, { ...failFast(limits), ...once }).on("error", ignore);
  try {
    await client.connect();
    return /^run_id:(\w+)/m.exec(await client.info("server"))?.[1];
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}

const closedClients = new WeakSet<RedisClient>();

/** Resolves when the connection is closed for good. Idempotent. */
export async function closeClient(client: RedisClient): Promise<void> {
  // Between two attempts to connect there is no connection, and no 'end' event follows.
  const isConnected = client.status !== "end" && client.status !== "reconnecting";
  const ended = new Promise((resolve) => client.once("end", resolve));
  closedClients.add(client);
  client.disconnect();
  if (isConnected) await ended;
}

/** For failures that are reported elsewhere. */
export function ignore(): void {}

function isCluster(address: RedisAddress): address is ClusterAddress {
  return typeof address === "object" && "nodes" in address;
}

function plainClient(address: string | SentinelAddress, options: LinkOptions): Redis {
  if (typeof address === "object") {
    const client = new Redis({ ...options, ...sentinelOptions(address), replyMapping: "legacy" });
    // If a failover is announced while ioredis looks for the master, it would give up reconnecting.
    return client.on("end", () => {
      if (!closedClients.has(client)) client.connect().catch(ignore);
    });
  }
  // ioredis would take text that is no URL for the path of a Unix socket.
  if (!address.includes("://")) throw new Error(wrongUrl);
  endpoint(address);
  return new Redis(address, { ...options, replyMapping: "legacy" });
}

/**
 * Waits until the client is ready. Rejects if the address cannot be reached at once.
 *
 * @param timeLimit milliseconds after which a reply is late
 */
async function untilUsable(
  client: RedisClient,
  address: RedisAddress,
  { linkTimeout }: RedisLimits,
  timeLimit: number,
): Promise<void> {
  // Every command reports its own failure; without a listener, ioredis would print each again.
  client.on("error", ignore);
  try {
    await untilReady(client, linkTimeout, timeoutsAtStart * timeLimit);
  } catch (error) {
    void closeClient(client);
    const shown = causeOf(error).replace("Connection is closed.", "nothing listens there");
    // oxlint-disable-next-line eslint/preserve-caught-error -- its command may contain the password
    throw new Error(`${describeAddress(address)} cannot be used: ${shown}`);
  }
}

function untilReady(client: RedisClient, linkTimeout: number, lateLimit: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const began = performance.now();
  // A node that has left the cluster, or is just joining, sees it as down: ioredis then tries another.
  const tryAgain = (): void => {
    if (performance.now() - began > linkTimeout) reject(new Error("the cluster is down"));
  };
  // After a late reply, ioredis retries on a new connection.
  const failed = (error: Error): void => {
    const isLate = /^(Command timed out|Socket timeout)/.test(error.message);
    if (!isLate || performance.now() - began > lateLimit) reject(error);
  };
  client.once("ready", resolve).on("error", failed).on("close", tryAgain);
  return promise.finally(() =>
    client.off("ready", resolve).off("error", failed).off("close", tryAgain),
  );
}
