/** Tries what Curfew needs of Redis, so that missing rights are found before a client needs them. */
import { hash } from "node:crypto";
import type { RedisClient } from "./client.ts";
import { tagsOfMasters } from "./command-links.ts";
import { causeOf, isReply, isTemporary } from "./reply-errors.ts";

/** Something that a node needs of each master. */
export interface Trial {
  /** The commands and keys, for the operator: `SET on keys curfew:*`. */
  readonly what: string;
  /** @param tag a hash tag that is on the master to try */
  readonly run: (client: RedisClient, tag: string) => Promise<unknown>;
}

/** Something that Redis refused. */
export interface Refusal {
  /** A sentence for the operator, with Redis's own words and without secrets. */
  readonly cause: string;
  /** Redis refuses it because of its state, such as full memory, and not because of the user's rights. */
  readonly isTemporary: boolean;
}

/** How long a key of a trial exists (ms). */
const keyLifetime = 10_000;

const keyFor = (tag: string) => `curfew:probe:{${tag}}`;

const writeScript = `
redis.call('TIME')
redis.call('GET', KEYS[1])
return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])`;

const listScript = `
redis.call('ZADD', KEYS[1], 1, 'a')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', 0)
redis.call('PEXPIREAT', KEYS[1], ARGV[1], 'NX')
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const write: Trial = {
  what: "SET on keys curfew:*",
  run: (client, tag) => client.set(keyFor(tag), "1", "PX", keyLifetime),
};

const script: Trial = {
  what: "EVALSHA and EVAL of a script with TIME, GET and SET on keys curfew:*",
  async run(client, tag) {
    const args = [1, keyFor(tag), keyLifetime] as const;
    try {
      await client.evalsha(hash("sha1", writeScript), ...args);
    } catch (error) {
      if (!isReply(error) || !error.message.startsWith("NOSCRIPT")) throw error;
      await client.eval(writeScript, ...args);
    }
  },
};

/** Cheap enough to try every second. */
export const essentialTrials: readonly Trial[] = [write, script];

/** All commands of the session store. */
export const allTrials: readonly Trial[] = [
  ...essentialTrials,
  {
    what: "EVAL of a script with ZADD, ZREMRANGEBYSCORE, PEXPIREAT and PEXPIRE on keys curfew:*",
    run: (client, tag) =>
      client.eval(listScript, 1, `${keyFor(tag)}:list`, Date.now() + keyLifetime, keyLifetime),
  },
  { what: "GET on keys curfew:*", run: (client, tag) => client.get(keyFor(tag)) },
  { what: "MGET on keys curfew:*", run: (client, tag) => client.mget([keyFor(tag)]) },
  { what: "ZSCAN on keys curfew:*", run: (client, tag) => client.zscan(`${keyFor(tag)}:list`, 0) },
  { what: "ZREM on keys curfew:*", run: (client, tag) => client.zrem(`${keyFor(tag)}:list`, "a") },
  { what: "GETDEL on keys curfew:*", run: (client, tag) => client.getdel(keyFor(tag)) },
  { what: "DEL on keys curfew:*", run: (client, tag) => client.del(keyFor(tag)) },
];

/**
 * Runs the trials on each master. Resolves to the first refusal, or to undefined if there is none.
 *
 * @param id a part of the keys, which differs for each node
 * @throws {Error} if a master does not answer
 */
export async function tryOut(
  client: RedisClient,
  id: string,
  trials: readonly Trial[],
): Promise<Refusal | undefined> {
  const tags = tagsOfMasters(client, id);
  const attempts = tags.flatMap((tag) => trials.map((trial) => attempt(client, tag, trial)));
  const results = await Promise.allSettled(attempts);
  const refusals = results.flatMap((result) =>
    result.status === "fulfilled" && result.value !== undefined ? [result.value] : [],
  );
  const refusal = refusals.find((each) => !each.isTemporary) ?? refusals[0];
  const failed = results.find((result) => result.status === "rejected");
  if (refusal === undefined && failed !== undefined) throw failed.reason;
  return refusal;
}

async function attempt(
  client: RedisClient,
  tag: string,
  { what, run }: Trial,
): Promise<Refusal | undefined> {
  try {
    await run(client, tag);
    return undefined;
  } catch (error) {
    if (isReply(error)) return refusalOf(what, error);
    throw error;
  }
}

export function refusalOf(what: string, error: Error): Refusal {
  return { cause: `Redis refuses ${what}: ${causeOf(error)}`, isTemporary: isTemporary(error) };
}
