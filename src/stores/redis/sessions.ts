/** The session store in Redis, which many nodes share. */
import DataLoader from "dataloader";
import { Cluster } from "ioredis";
import type { ReissueRequest, RenewalRequest } from "../../session/renewal-rules.ts";
import { isLive, expiryOf, type Lifetimes, type Session } from "../../session/session.ts";
import {
  StoreUnavailable,
  type RenewalOutcome,
  type SessionLookup,
  type SessionStore,
} from "../../session/store.ts";
import { chunksOf } from "../../lib/in-batches.ts";
import { closeClient, ignore, type RedisClient } from "./client.ts";
import { decode, encode } from "./record.ts";
import { defineScripts } from "./scripts.ts";

/**
 * Reads per batch, and members per page of an index. A batch blocks neither Redis nor the event loop for
 * long, and the command time-out measures Redis rather than the number of callers.
 */
const readsPerBatch = 100;

/** Keys that Redis looks at for each step of a scan, which blocks it for less than 1 ms. */
const keysPerScan = 1_000;

/**
 * A session is one text, and each change of it one command or script on its key. A separate index lists the
 * sessions of each user. It is in another slot of a cluster, so both cannot change in one atomic step. The
 * index is a hint, and it lists every session that was started, because
 * - a session is listed after its record was written, and its tokens are issued after it is listed. So a
 *   member without a record is a session that has ended for good, and its removal, however late, never
 *   removes a live session;
 * - a member's score, and the minimum TTL of the index, is `absoluteExpiresAt`, which no renewal changes;
 * - if a failover loses entries of the index alone, the next renewal lists the session again. If that comes
 *   after the session has ended, it lists a member without a record, which the next listing removes.
 */
export class RedisSessions implements SessionStore {
  readonly #client: RedisClient;
  /** Sends the reads of one turn of the event loop together. */
  readonly #reads = new DataLoader<string, string | null>(
    (fingerprints) => this.#texts(fingerprints),
    {
      cache: false,
      maxBatchSize: readsPerBatch,
      batchScheduleFn: setImmediate,
    },
  );

  /** Takes ownership of the client: `close` closes it. */
  constructor(client: RedisClient) {
    defineScripts(client);
    this.#client = client;
  }

  async create(session: Session): Promise<void> {
    const { fingerprint, createdAt, idleExpiresAt } = session;
    const key = sessionKey(fingerprint);
    try {
      await orUnavailable(this.#client.set(key, encode(session), "PXAT", idleExpiresAt));
      await this.#list(session, createdAt);
    } catch (error) {
      // No token of this session is issued. As the last command, this also undoes a write that was only late.
      void this.#client.del(key).catch(ignore);
      throw error;
    }
  }

  async read(fingerprint: string, now: number): Promise<Session | undefined> {
    return onlyLive(await this.#record(fingerprint), now);
  }

  async readMany(fingerprints: readonly string[], now: number): Promise<SessionLookup[]> {
    const lookups: SessionLookup[] = [];
    for (const batch of chunksOf(fingerprints, readsPerBatch))
      for (const [i, text] of (await this.#texts(batch)).entries())
        lookups.push(toLookup(batch[i] ?? "", text, now));
    return lookups;
  }

  async renew(
    fingerprint: string,
    { generation, generationAtRead, network, foreignReplaysEnd = true }: RenewalRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome> {
    const [outcome, text] = await orUnavailable(
      this.#client.curfewRenew(
        sessionKey(fingerprint),
        now,
        generation,
        generationAtRead,
        now + lifetimes.access,
        now + lifetimes.renewal,
        lifetimes.grace,
        // Zero, unless a test passes its own clock: then time passes in Redis as in the test.
        now - Date.now(),
        network,
        foreignReplaysEnd ? 1 : 0,
      ),
    );
    if (outcome === "absent") return { outcome };
    const session = decode(fingerprint, text);
    if (session === undefined) return { outcome: "absent" };
    if (outcome === "rotated") void this.#list(session, now).catch(ignore);
    return { outcome, session };
  }

  async reissue(
    fingerprint: string,
    { atLeast, network }: ReissueRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<Session | undefined> {
    const text = await orUnavailable(
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
    const session = decodeReply(fingerprint, text);
    if (session !== undefined) void this.#list(session, now).catch(ignore);
    return session;
  }

  async touch(fingerprint: string, now: number): Promise<void> {
    await orUnavailable(this.#client.curfewTouch(sessionKey(fingerprint), now));
  }

  async end(fingerprint: string, now: number): Promise<Session | undefined> {
    const session = decodeReply(
      fingerprint,
      await orUnavailable(this.#client.getdel(sessionKey(fingerprint))),
    );
    if (session === undefined) return undefined;
    // Not awaited: the index may be on another node of a cluster, and that node may hang.
    void this.#unlist(session.userId, [fingerprint]);
    return onlyLive(session, now);
  }

  async listByUser(userId: string, now: number): Promise<readonly Session[]> {
    // A scan may return a member twice.
    const sessions = new Map<string, Session>();
    let cursor = "0";
    do {
      const page = this.#client.zscan(userKey(userId), cursor, "COUNT", readsPerBatch);
      const [next, membersAndScores] = await orUnavailable(page);
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
    await orUnavailable(this.#client.ping());
  }

  async close(): Promise<void> {
    await closeClient(this.#client);
  }

  /** Reads the records of members of an index, and removes the members that have none. */
  async #listed(userId: string, fingerprints: readonly string[]): Promise<readonly Session[]> {
    const records: (Session | undefined)[] = [];
    for (const batch of chunksOf(fingerprints, readsPerBatch))
      records.push(...(await Promise.all(batch.map((fingerprint) => this.#record(fingerprint)))));
    // Whether it expired does not count: another node's clock may be behind and renew it.
    const gone = fingerprints.filter((_, i) => records[i] === undefined);
    if (gone.length > 0) await this.#unlist(userId, gone);
    return records.filter((session) => session !== undefined);
  }

  async #record(fingerprint: string): Promise<Session | undefined> {
    return decodeReply(fingerprint, await this.#reads.load(fingerprint));
  }

  /** In the order of the fingerprints: one command to one server; in a cluster, one to the node of each key. */
  async #texts(fingerprints: readonly string[]): Promise<TextReply[]> {
    const client = this.#client;
    const keys = fingerprints.map(sessionKey);
    if (client instanceof Cluster)
      return Promise.all(keys.map((key) => client.get(key).catch(unavailable)));
    return client.mget(keys).catch((cause: unknown) => keys.map(() => unavailable(cause)));
  }

  async #list({ userId, fingerprint, absoluteExpiresAt }: Session, now: number): Promise<void> {
    await orUnavailable(
      this.#client.curfewList(userKey(userId), now, absoluteExpiresAt, fingerprint),
    );
  }

  /** The sessions have ended whether or not this succeeds: a later listing removes the members that remain. */
  async #unlist(userId: string, fingerprints: readonly string[]): Promise<void> {
    await this.#client.zrem(userKey(userId), ...fingerprints).catch(ignore);
  }

  /** In a cluster, it scans one master after the other. A batch may contain a fingerprint a second time. */
  async *scan(): AsyncGenerator<readonly string[]> {
    const client = this.#client;
    const servers = client instanceof Cluster ? client.nodes("master") : [client];
    const [prefix = ""] = sessionKey("*").split("*");
    for (const server of servers) {
      let cursor = "0";
      do {
        const page = server.scan(cursor, "MATCH", sessionKey("*"), "COUNT", keysPerScan);
        const [next, keys] = await orUnavailable(page);
        if (keys.length > 0) yield keys.map((key) => key.slice(prefix.length, -1));
        cursor = next;
      } while (cursor !== "0");
    }
  }
}

/** The braces make the fingerprint the hash tag, which alone determines the slot in a cluster. */
function sessionKey(fingerprint: string): string {
  return `curfew:session:{${fingerprint}}`;
}

function userKey(userId: string): string {
  return `curfew:user:{${userId}}`;
}

function decodeReply(fingerprint: string, text: string | null): Session | undefined {
  return text === null ? undefined : decode(fingerprint, text);
}

function onlyLive(session: Session | undefined, now: number): Session | undefined {
  return session && isLive(session, now) ? session : undefined;
}

/** The value of a key, null if there is none, or the reason that it could not be read. */
type TextReply = string | null | StoreUnavailable;

function toLookup(fingerprint: string, text: TextReply, now: number): SessionLookup {
  if (text instanceof StoreUnavailable) return { state: "unknown", cause: text };
  const session = onlyLive(decodeReply(fingerprint, text), now);
  if (session === undefined) return { state: "absent" };
  return { state: "live", standing: expiryOf(session) };
}

/** Reports every failure as {@link StoreUnavailable}, error replies of Redis included. */
async function orUnavailable<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply;
  } catch (cause) {
    throw unavailable(cause);
  }
}

function unavailable(cause: unknown): StoreUnavailable {
  return new StoreUnavailable("Redis did not execute a command", { cause });
}
