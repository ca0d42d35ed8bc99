/** Connections to Redis that fail fast, never repeat a command by themselves and notice a dead link. */
import { Redis, type Cluster, type RedisOptions } from "ioredis";

export type RedisClient = Redis | Cluster;

/** A link that is silent for so long although an answer is due is given up, in milliseconds. */
const linkTimeout = 3000;
const probeInterval = 1000;

/**
 * What fails, fails at once: a command that waits for Redis to return, or that is sent a second time
 * because only its answer was lost, does more harm than an error.
 */
const failFast = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  connectTimeout: linkTimeout,
  socketTimeout: linkTimeout,
} satisfies RedisOptions;

/**
 * For everything but subscriptions. Commands go out in batches, and a batch waits for the one before:
 * where Redis hangs, a command fails after at most twice the time limit.
 *
 * @param timeLimit for the answer to a batch, in milliseconds
 */
export async function commandClient(url: string, timeLimit = 1000): Promise<Redis> {
  return connect(url, { ...failFast, commandTimeout: timeLimit, enableAutoPipelining: true });
}

/**
 * For subscriptions. Nobody waits for an answer here, so a probe finds out whether the link is dead.
 * Who uses it subscribes again after each 'ready': ioredis would, but says neither when nor whether it
 * succeeded, and a failure of its own is an unhandled rejection.
 */
export async function subscriberClient(url: string): Promise<Redis> {
  return connect(url, { ...failFast, autoResubscribe: false }, (client) => {
    let probe: NodeJS.Timeout | undefined;
    client.on("ready", () => {
      probe = setInterval(() => void client.ping().catch(ignore), probeInterval).unref();
    });
    client.on("close", () => clearInterval(probe));
  });
}

/** Resolves when the link is down and stays so. To close twice is harmless. */
export async function closeClient(client: RedisClient): Promise<void> {
  // Between two attempts to connect there is no link, and no event would tell of its end.
  const linked = client.status !== "end" && client.status !== "reconnecting";
  const ended = new Promise((resolve) => client.once("end", resolve));
  client.disconnect();
  if (linked) await ended;
}

/** For failures that somebody else is told of. */
export function ignore(): void {}

async function connect(
  url: string,
  options: RedisOptions,
  prepare: (client: Redis) => void = ignore,
): Promise<Redis> {
  // The URL is not in the message, since it may hold a password.
  const parsed = URL.parse(url);
  if (parsed === null || !/^rediss?:$/.test(parsed.protocol)) {
    throw new Error("The Redis URL is wrong: it looks like redis://user:password@host:6379/0");
  }
  const client = new Redis(url, { ...options, replyMapping: "legacy" });
  // Every command tells of its own failure; ioredis would print them all once more.
  client.on("error", ignore);
  prepare(client);
  try {
    await ready(client);
    return client;
  } catch (error) {
    client.disconnect();
    const reason = error instanceof Error ? error.message : String(error);
    // oxlint-disable-next-line eslint/preserve-caught-error -- its command may hold the password
    throw new Error(`Redis at ${parsed.host} cannot be used: ${reason}`);
  }
}

function ready(client: Redis): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once("ready", resolve).once("error", reject);
  return promise.finally(() => client.off("ready", resolve).off("error", reject));
}
