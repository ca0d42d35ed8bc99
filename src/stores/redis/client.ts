/** Connections to Redis that fail fast, never repeat a command by themselves and notice a dead link. */
import { Cluster, Redis } from "ioredis";
import {
  describeAddress,
  endpoint,
  wrongUrl,
  type ClusterAddress,
  type RedisAddress,
  type SentinelAddress,
} from "./address.ts";
import { sentinelOptions } from "./sentinel.ts";
import { allReached, clusterClient, ClusterPath, type LinkOptions } from "./cluster.ts";

export type RedisClient = Redis | Cluster;

/** How many time limits a start waits for an answer of Redis: a machine on which much starts is busy. */
const lateStarts = 10;

/** Milliseconds each. */
export interface RedisLimits {
  /** From sending a command, or a batch of them, to its answer. */
  readonly commandTimeout: number;
  /** Of an attempt to connect, and of a link that is silent although an answer is due. */
  readonly linkTimeout: number;
  /** Between probes of the link of subscriptions. */
  readonly probeInterval: number;
}

/**
 * What fails, fails at once: a command that waits for Redis to return, or that is sent a second time
 * because only its answer was lost, does more harm than an error.
 */
const failFast = ({ linkTimeout }: RedisLimits) =>
  ({
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: linkTimeout,
    socketTimeout: linkTimeout,
    sentinelCommandTimeout: linkTimeout,
    /** From one attempt to connect to the next: whoever waits for a failover should not wait for this. */
    retryStrategy: (times: number) => Math.min(50 * 2 ** times, 1000) * (0.5 + Math.random() / 2),
    /** A master that has become a replica: whoever leads to Redis may lead to the new master by now. */
    reconnectOnError: ({ message }: Error) => message.startsWith("READONLY"),
  }) satisfies LinkOptions;

/**
 * For everything but subscriptions. To one server commands go out in batches, and a batch waits for
 * the one before: where Redis hangs, a command fails after at most twice the `commandTimeout`.
 */
export async function commandClient(
  address: RedisAddress,
  limits: RedisLimits,
): Promise<RedisClient> {
  const options = { ...failFast(limits), commandTimeout: limits.commandTimeout };
  const client = isCluster(address)
    ? clusterClient(address, options)
    : plainClient(address, {
        ...options,
        enableAutoPipelining: true,
        // A batch of its own, which waits for no other.
        autoPipeliningIgnoredCommands: ["mget"],
      });
  await usable(client, address, limits, limits.commandTimeout);
  if (client instanceof Cluster) await allReached(client);
  return client;
}

/**
 * For subscriptions. Nobody waits for an answer here, so a probe finds out whether the link is dead.
 * Who uses it subscribes again after each 'ready': ioredis would, but says neither when nor whether it
 * succeeded, and a failure of its own is an unhandled rejection.
 *
 * @param commands the client beside it, which knows a cluster's nodes as they come and go
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
  let probe: NodeJS.Timeout | undefined;
  client.on("ready", () => {
    probe = setInterval(() => {
      if (path?.isStale()) client.disconnect(true);
      else void client.ping().catch(ignore);
    }, limits.probeInterval).unref();
  });
  client.on("close", () => clearInterval(probe));
  await usable(client, address, limits, limits.linkTimeout);
  return client;
}

const closed = new WeakSet<RedisClient>();

/** Resolves when the link is down and stays so. To close twice is harmless. */
export async function closeClient(client: RedisClient): Promise<void> {
  // Between two attempts to connect there is no link, and no event would tell of its end.
  const linked = client.status !== "end" && client.status !== "reconnecting";
  const ended = new Promise((resolve) => client.once("end", resolve));
  closed.add(client);
  client.disconnect();
  if (linked) await ended;
}

/** For failures that somebody else is told of. */
export function ignore(): void {}

function isCluster(address: RedisAddress): address is ClusterAddress {
  return typeof address === "object" && "nodes" in address;
}

function plainClient(address: string | SentinelAddress, options: LinkOptions): Redis {
  if (typeof address === "object") {
    const client = new Redis({ ...options, ...sentinelOptions(address), replyMapping: "legacy" });
    // Told of a failover while it looks for the master, ioredis would give the link up for good.
    return client.on("end", () => {
      if (!closed.has(client)) client.connect().catch(ignore);
    });
  }
  // ioredis takes what is no URL for the path of a socket.
  if (!address.includes("://")) throw new Error(wrongUrl);
  endpoint(address);
  return new Redis(address, { ...options, replyMapping: "legacy" });
}

/**
 * Waits for the link; what cannot be reached now is not waited for.
 *
 * @param timeLimit milliseconds after which an answer is late
 */
async function usable(
  client: RedisClient,
  address: RedisAddress,
  { linkTimeout }: RedisLimits,
  timeLimit: number,
): Promise<void> {
  // Every command tells of its own failure; ioredis would print them all once more.
  client.on("error", ignore);
  try {
    await ready(client, linkTimeout, lateStarts * timeLimit);
  } catch (error) {
    void closeClient(client);
    const { lastNodeError: cause = error } = error as { lastNodeError?: unknown };
    const reason = cause instanceof Error ? cause.message : String(cause);
    const said = reason.replace("Connection is closed.", "nobody answers there");
    // oxlint-disable-next-line eslint/preserve-caught-error -- its command may hold the password
    throw new Error(`${describeAddress(address)} cannot be used: ${said}`);
  }
}

function ready(client: RedisClient, linkTimeout: number, patience: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const began = performance.now();
  // A cluster seems down to a node that has left it, or just comes: another one is asked then.
  const tryAgain = (): void => {
    if (performance.now() - began > linkTimeout) reject(new Error("the cluster is down"));
  };
  // After an answer that was late, ioredis asks again on a new link.
  const failed = (error: Error): void => {
    const isLate = /^(Command timed out|Socket timeout)/.test(error.message);
    if (!isLate || performance.now() - began > patience) reject(error);
  };
  client.once("ready", resolve).on("error", failed).on("close", tryAgain);
  return promise.finally(() =>
    client.off("ready", resolve).off("error", failed).off("close", tryAgain),
  );
}
