/** Sessions in Redis: the store that many machines share. */
import DataLoader from "dataloader";
import { Cluster } from "ioredis";
import {
  isLive,
  expiryOf,
  type Lifetimes,
  type ReissueRequest,
  type RenewalRequest,
  type Session,
} from "../../session/session.ts";
import {
  StoreUnavailable,
  type RenewalOutcome,
  type SessionLookup,
  type SessionStore,
} from "../../session/store.ts";
import { closeClient, ignore, type RedisClient } from "./client.ts";
import { decode, encode } from "./record.ts";
import { defineScripts } from "./scripts.ts";

/**
 * So many reads go out at once, and so many members come of an index: neither Redis nor the event loop
 * is held up for long, and the time limit is one for Redis and not for the crowd.
 */
const batchSize = 100;

/**
 * A session is one text, and each change of it one command or script on its key. Which sessions a user has is
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
  /** The reads of one turn of the event loop go out together. */
  readonly #reads = new DataLoader<string, string | null>((some) => this.#texts(some), {
    cache: false,
    maxBatchSize: batchSize,
    batchScheduleFn: setImmediate,
  });

  /** Takes the client over: `close` closes it. */
  constructor(client: RedisClient) {
    defineScripts(client);
    this.#client = client;
  }

  async create(session: Session): Promise<void> {
    const { fingerprint, createdAt, idleExpiresAt } = session;
    const key = sessionKey(fingerprint);
    try {
      await ask(this.#client.set(key, encode(session), "PXAT", idleExpiresAt));
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

  async readMany(fingerprints: readonly string[], now: number): Promise<SessionLookup[]> {
    const readings: SessionLookup[] = [];
    for (const some of batchesOf(fingerprints))
      for (const [i, text] of (await this.#texts(some)).entries())
        readings.push(toReading(some[i] ?? "", text, now));
    return readings;
  }

  async renew(
    fingerprint: string,
    {
      generation,
      generationAtRead,
      network,
      foreignReplaysEnd: followingEnds = true,
    }: RenewalRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome> {
    const [outcome, text] = await ask(
      this.#client.curfewRenew(
        sessionKey(fingerprint),
        now,
        generation,
        generationAtRead,
        now + lifetimes.access,
        now + lifetimes.renewal,
        lifetimes.grace,
        // Zero, unless the clock is a test's: then time passes in Redis as it does there.
        now - Date.now(),
        network,
        followingEnds ? 1 : 0,
      ),
    );
    if (outcome === "absent") return { outcome };
    const session = decode(fingerprint, text);
    if (session === undefined) return { outcome: "absent" };
    if (outcome === "stepped") void this.#list(session, now).catch(ignore);
    return { outcome, session };
  }

  async reissue(
    fingerprint: string,
    { atLeast, network }: ReissueRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<Session | undefined> {
    const text = await ask(
      this.#client.curfewReissue(
        sessionKey(fingerprint),
        now,
        atLeast,
        now + lifetimes.access,
        now + lifetimes.renewal,
        now - Date.now(),
        network,
      ),
    );
    const session = toSession(fingerprint, text);
    if (session !== undefined) void this.#list(session, now).catch(ignore);
    return session;
  }

  async touch(fingerprint: string, now: number): Promise<void> {
    await ask(this.#client.curfewTouch(sessionKey(fingerprint), now));
  }

  async end(fingerprint: string, now: number): Promise<Session | undefined> {
    const session = toSession(fingerprint, await ask(this.#client.getdel(sessionKey(fingerprint))));
    if (session === undefined) return undefined;
    // Nobody waits for this: where the index is, another node of a cluster may hang.
    void this.#unlist(session.userId, [fingerprint]);
    return onlyLive(session, now);
  }

  async listByUser(userId: string, now: number): Promise<readonly Session[]> {
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

  async #record(fingerprint: string): Promise<Session | undefined> {
    return toSession(fingerprint, await this.#reads.load(fingerprint));
  }

  /** In their order. To one server in one command; in a cluster each goes to where it is. */
  async #texts(fingerprints: readonly string[]): Promise<TextAnswer[]> {
    const client = this.#client;
    const keys = fingerprints.map(sessionKey);
    if (client instanceof Cluster)
      return Promise.all(keys.map((key) => client.get(key).catch(unavailable)));
    return client.mget(keys).catch((cause: unknown) => keys.map(() => unavailable(cause)));
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

function toSession(fingerprint: string, text: string | null): Session | undefined {
  return text === null ? undefined : decode(fingerprint, text);
}

function onlyLive(session: Session | undefined, now: number): Session | undefined {
  return session && isLive(session, now) ? session : undefined;
}

/** What is under a key, or why there is no answer. */
type TextAnswer = string | null | StoreUnavailable;

function toReading(fingerprint: string, text: TextAnswer, now: number): SessionLookup {
  if (text instanceof StoreUnavailable) return { state: "unknown", cause: text };
  const session = onlyLive(toSession(fingerprint, text), now);
  if (session === undefined) return { state: "absent" };
  return { state: "live", standing: expiryOf(session) };
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
