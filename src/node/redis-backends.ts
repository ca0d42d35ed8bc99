/** Opens the session store on Redis and the probe of its links, as the settings say. */
import { randomUUID } from "node:crypto";
import type { Options } from "../config/load.ts";
import { databaseOf, describeAddress, type RedisAddress } from "../stores/redis/address.ts";
import { channelNames, type ChannelOf } from "../stores/redis/channel-names.ts";
import { commandClient, runIdAt, type RedisClient } from "../stores/redis/client.ts";
import { LinkProbe } from "../stores/redis/link-probe.ts";
import type { LinkProbeOptions, StoreReplacements } from "../stores/redis/link-probe-options.ts";
import { ReplicatedEnds } from "../stores/redis/replicas.ts";
import type { Trial } from "../stores/redis/rights.ts";
import { defineScripts } from "../stores/redis/scripts.ts";
import { RedisSessions } from "../stores/redis/sessions.ts";
import { limiterKeys, limiterTrial } from "../users/shared-limiter.ts";
import { nodeLimits } from "./limits.ts";

/** The address of the Redis in the settings, if they have one. */
export function redisAddress(options: Options): RedisAddress | undefined {
  const { redisUrl, redisClusterNodes: nodes, redisSentinels, redisSentinelName } = options;
  if (nodes !== undefined) return { nodes };
  if (redisSentinels === undefined || redisSentinelName === undefined) return redisUrl;
  return { sentinels: redisSentinels, name: redisSentinelName };
}

/** Names the channels of this deployment. */
export function channelOfDeployment(
  redis: RedisAddress,
  { redisChannelPrefix: prefix, redisChannelDatabase }: Options,
): ChannelOf {
  return channelNames({ database: redisChannelDatabase ? databaseOf(redis) : 0, prefix });
}

interface RedisSessionsParts {
  /** Undefined if the pub/sub is not on this Redis. */
  readonly channelOf: ChannelOf | undefined;
  readonly replacements?: StoreReplacements;
}

/** @param publisher a client that the store takes ownership of */
export async function redisSessions(
  redis: RedisAddress,
  publisher: RedisClient,
  { endReplicas: replicas, endReasonTtl }: Options,
  { channelOf, replacements }: RedisSessionsParts,
): Promise<RedisSessions> {
  const { replicaTimeout, ...limits } = nodeLimits.redis;
  // The reply to WAIT takes up to its time-out, and then its way back.
  const waiting = { ...limits, commandTimeout: replicaTimeout + limits.commandTimeout };
  const replicated =
    replicas > 0 &&
    new ReplicatedEnds(await commandClient(redis, waiting, { pipelines: false }), {
      replicas,
      timeout: replicaTimeout,
    });
  return new RedisSessions(publisher, {
    endReasonTtl,
    ...(channelOf && { channelOf }),
    ...(replicated && { replicated }),
    ...(replacements && { replacements }),
  });
}

interface ProbeParts extends Pick<
  LinkProbeOptions,
  "commands" | "subscriber" | "observer" | "onMasterLost" | "onCommandsReturned" | "onError"
> {
  readonly channelOf: ChannelOf;
}

/** @throws {Error} if Redis does not answer, refuses something that the node needs, or is a replica */
export function startProbe(
  redis: RedisAddress,
  { channelOf, ...parts }: ProbeParts,
): Promise<LinkProbe> {
  // Before any command: ioredis collects commands in batches, and a batch lacks the scripts defined after it began.
  defineScripts(parts.commands);
  return LinkProbe.start({
    ...parts,
    serverName: describeAddress(redis),
    ...probeNames(channelOf),
    limits: nodeLimits.redis,
    locate: () => runIdAt(redis, nodeLimits.redis),
    trials: [trialOfLimits(parts.commands)],
  });
}

/** The rate limits need rights of their own. */
function trialOfLimits(client: RedisClient): Trial {
  const count = limiterTrial(client);
  return {
    what: `EVALSHA and EVAL of a script with SET, INCRBY, PTTL and EXPIRE on keys ${limiterKeys}:*`,
    run: (_, tag) => count(tag),
  };
}

/** The names of this node's probe in Redis. */
function probeNames(channelOf: ChannelOf): { readonly id: string; readonly channel: string } {
  const id = randomUUID();
  return { id, channel: channelOf(`curfew:probe:${id}`) };
}
