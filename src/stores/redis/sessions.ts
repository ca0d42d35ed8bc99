/** Sessions in Redis: the store that many machines share. */
import { Cluster } from "ioredis";
import {
  isLive,
  type Lifetimes,
  type RenewalRequest,
  type Session,
  type Standing,
} from "../../session/session.ts";
import {
  StoreUnavailable,
  type RenewalOutcome,
  type SessionReading,
  type SessionStore,
} from "../../session/store.ts";
import { closeClient, ignore, type RedisClient } from "./client.ts";
import {
  decode,
  decodeStanding,
  encode,
  recordFields,
  standingFields,
  unflatten,
} from "./record.ts";
import { defineScripts } from "./scripts.ts";

/**
 * So many reads go out at once, and so many members come of an index: neither Redis nor the event loop
 * is held up for long, and the time limit is one for Redis and not for the crowd.
 */
const batchSize = 100;

/**
 * A session is one hash, and each change of it one script on its key. Which sessions a user has is
 * told by an index beside them, in another slot and therefore not in the same step. It is a hint, and
 * it lists every session that was begun, because
 * - a session is listed only after its record was written, and begun once it is listed: a member
 *   without a record is a session that has ended, which nothing brings back, and whoever removes it,
 *   however late, removes no live one;
 * - a member's score, and the least lifetime of the index, is `absoluteExpiresAt`, which no renewal
 *   moves;
 * - what a failover lost of the index alone is listed again by the next renewal. Where that comes late,
 *   after the end of its session, it lists what has no record: whoever looks next removes it.
 */
export class RedisSessions implements SessionStore {
  readonly #client: RedisClient;

  /** Takes the client over: `close` closes it. */
  constructor(client: RedisClient) {
    defineScripts(client);
    this.#client = client;
  }

  async create(session: Session): Promise<void> {
    const { fingerprint, createdAt, idleExpiresAt } = session;
    const key = sessionKey(fingerprint);
    try {
      await ask(this.#client.curfewCreate(key, idleExpiresAt, ...encode(session)));
      await this.#list(session, createdAt);
    } catch (error) {
      // Nobody gets a token of this session. Sent last, this also undoes what is only late.
      void this.#client.del(key).catch(ignore);
      throw error;
    }
  }

  async read(fingerprint: string, now: number): Promise<Session | undefined> {
    return onlyLive(await this.#record(fingerprint), now);
  }

  async readMany(fingerprints: readonly string[], now: number): Promise<SessionReading[]> {
    const readings: SessionReading[] = [];
    for (const some of batchesOf(fingerprints))
      for (const answer of await this.#standings(some.map(sessionKey)))
        readings.push(toReading(answer, now));
    return readings;
  }

  async renew(
    fingerprint: string,
    { generation, seen }: RenewalRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome> {
    const [outcome, record] = await ask(
      this.#client.curfewRenew(
        sessionKey(fingerprint),
        now,
        generation,
        generation + 1,
        seen,
        now + lifetimes.access,
        now + lifetimes.renewal,
        lifetimes.grace,
        // Zero, unless the clock is a test's: then time passes in Redis as it does there.
        now - Date.now(),
      ),
    );
    if (outcome === "absent") return { outcome };
    const session = decode(fingerprint, unflatten(record));
    if (session === undefined) return { outcome: "absent" };
    if (outcome === "stepped") void this.#list(session, now).catch(ignore);
    return { outcome, session };
  }

  async touch(fingerprint: string, now: number): Promise<void> {
    await ask(this.#client.curfewTouch(sessionKey(fingerprint), now));
  }

  async end(fingerprint: string, now: number): Promise<Session | undefined> {
    const record = await ask(this.#client.curfewEnd(sessionKey(fingerprint)));
    if (record.length === 0) return undefined;
    const session = decode(fingerprint, unflatten(record));
    if (session === undefined) return undefined;
    await this.#unlist(session.userId, [fingerprint]);
    return onlyLive(session, now);
  }

  async ofUser(userId: string, now: number): Promise<readonly Session[]> {
    // A scan may name a member twice.
    const sessions = new Map<string, Session>();
    let cursor = "0";
    do {
      const page = this.#client.zscan(userKey(userId), cursor, "COUNT", batchSize);
      const [next, membersAndScores] = await ask(page);
      const fingerprints = membersAndScores.filter((_, i) => i % 2 === 0);
      for (const session of await this.#listed(userId, fingerprints))
        sessions.set(session.fingerprint, session);
      cursor = next;
    } while (cursor !== "0");
    return [...sessions.values()]
      .filter((session) => isLive(session, now))
      .toSorted((a, b) => b.createdAt - a.createdAt);
  }

  async ping(): Promise<void> {
    await ask(this.#client.ping());
  }

  async close(): Promise<void> {
    await closeClient(this.#client);
  }

  async #record(fingerprint: string): Promise<Session | undefined> {
    return decode(
      fingerprint,
      await ask(this.#client.hmget(sessionKey(fingerprint), ...recordFields)),
    );
  }

  /** The records of these members of an index, which loses those that have none. */
  async #listed(userId: string, fingerprints: readonly string[]): Promise<readonly Session[]> {
    const records: (Session | undefined)[] = [];
    for (const some of batchesOf(fingerprints))
      records.push(...(await Promise.all(some.map((fingerprint) => this.#record(fingerprint)))));
    // By the record alone: a session past its time here may be live by the clock that renews it.
    const gone = fingerprints.filter((_, i) => records[i] === undefined);
    if (gone.length > 0) await this.#unlist(userId, gone);
    return records.filter((session) => session !== undefined);
  }

  /**
   * To one server in a pipeline of its own: the one that the client makes of all commands waits for the
   * answers to the one before.
   */
  async #standings(keys: readonly string[]): Promise<StandingAnswer[]> {
    const client = this.#client;
    if (client instanceof Cluster)
      return Promise.all(
        keys.map((key) =>
          client.hmget(key, ...standingFields).catch((cause: unknown) => unavailable(cause)),
        ),
      );
    const pipeline = client.pipeline();
    for (const key of keys) pipeline.hmget(key, ...standingFields);
    const replies = await ask(pipeline.exec());
    return (replies ?? []).map(([error, values]) =>
      error ? unavailable(error) : (values as (string | null)[]),
    );
  }

  async #list({ userId, fingerprint, absoluteExpiresAt }: Session, now: number): Promise<void> {
    await ask(this.#client.curfewList(userKey(userId), now, absoluteExpiresAt, fingerprint));
  }

  /** The sessions have ended, whether or not this succeeds: what stays is removed at a later look. */
  async #unlist(userId: string, fingerprints: readonly string[]): Promise<void> {
    await this.#client.zrem(userKey(userId), ...fingerprints).catch(ignore);
  }
}

/** The braces make the rest of the name count for nothing in a cluster: one session, one slot. */
function sessionKey(fingerprint: string): string {
  return `curfew:session:{${fingerprint}}`;
}

function userKey(userId: string): string {
  return `curfew:user:{${userId}}`;
}

function onlyLive<T extends Standing>(session: T | undefined, now: number): T | undefined {
  return session && isLive(session, now) ? session : undefined;
}

/** The values of `standingFields`, or why there is no answer. */
type StandingAnswer = readonly (string | null)[] | StoreUnavailable;

function toReading(answer: StandingAnswer, now: number): SessionReading {
  if (answer instanceof StoreUnavailable) return { state: "unknown", cause: answer };
  const standing = onlyLive(decodeStanding(answer), now);
  return standing ? { state: "live", standing } : { state: "absent" };
}

function* batchesOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += batchSize) yield items.slice(i, i + batchSize);
}

/** Whatever keeps Redis from answering, its error replies included, is no answer. */
async function ask<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw unavailable(cause);
  }
}

function unavailable(cause: unknown): StoreUnavailable {
  return new StoreUnavailable("Redis did not do it", { cause });
}
