/** The session store in Redis, which many nodes share. */
import DataLoader from "dataloader";
import { Cluster } from "ioredis";
import { toEndReason, type EndReason } from "../../protocol/end-reasons.ts";
import type { ReissueRequest, RenewalRequest } from "../../session/renewal-rules.ts";
import { isLive, expiryOf, type Lifetimes, type Session } from "../../session/session.ts";
import {
  StoreUnavailable,
  type EndRequest,
  type Publication,
  type RenewalOutcome,
  type SessionLookup,
  type SessionStore,
} from "../../session/store.ts";
import { chunksOf } from "../../lib/in-batches.ts";
import { endsTopic, sessionTopic } from "../../session/messages.ts";
import type { ChannelOf } from "./channel-names.ts";
import { closeClient, ignore, type RedisClient } from "./client.ts";
import { encode, encodeEnd, readRecord, type RecordReading } from "./record.ts";
import type { StoreReplacements } from "./link-probe-options.ts";
import type { ReplicatedEnds } from "./replicas.ts";
import { scanKeys } from "./scan.ts";
import { defineScripts } from "./scripts.ts";
import { UserIndex } from "./user-index.ts";

/**
 * Reads per batch. A batch blocks neither Redis nor the event loop for long, and the command time-out measures Redis
 * rather than the number of callers.
 */
const readsPerBatch = 100;

const defaultEndReasonTtl = 86_400_000;

export interface RedisSessionsOptions {
  /**
   * The channels of topics, if the pub/sub uses the same Redis. Then the scripts that end and renew sessions publish
   * the messages. Default: the caller publishes them
   */
  readonly channelOf?: ChannelOf;
  /**
   * How long the reason of an end is kept (ms).
   *
   * @default 86400000
   */
  readonly endReasonTtl?: number;
  /** Waits until replicas have the ends. The store closes it. Default: does not wait */
  readonly replicated?: ReplicatedEnds;
  /** Reports that another Redis answers: see `SessionStore.onReplaced`. */
  readonly replacements?: StoreReplacements;
}

/** A session is one text, and each change of it one command or script on its key. */
export class RedisSessions implements SessionStore {
  readonly #client: RedisClient;
  readonly #options: RedisSessionsOptions;
  readonly #index: UserIndex;
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
  constructor(client: RedisClient, options: RedisSessionsOptions = {}) {
    defineScripts(client);
    this.#client = client;
    this.#options = options;
    this.#index = new UserIndex(client, (fingerprint) => this.#record(fingerprint));
  }

  async create(session: Session): Promise<void> {
    const { fingerprint, createdAt, idleExpiresAt } = session;
    const key = sessionKey(fingerprint);
    try {
      await orUnavailable(this.#client.set(key, encode(session), "PXAT", idleExpiresAt));
      await orUnavailable(this.#index.add(session, createdAt));
    } catch (error) {
      // No token of this session is issued. As the last command, this also undoes a write that was only late.
      void this.#client.del(key).catch(ignore);
      throw error;
    }
  }

  async read(fingerprint: string, now: number): Promise<Session | undefined> {
    return liveSession(fingerprint, await orUnavailable(this.#record(fingerprint)), now);
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
    request: RenewalRequest & Publication,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome> {
    const { generation, generationAtRead, network, foreignReplaysEnd = true } = request;
    const [outcome, text, published] = await orUnavailable(
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
        renewedMessage(fingerprint),
        this.#channel(sessionTopic(fingerprint)),
      ),
    );
    if (outcome === "absent") {
      const endReason = toEndReason(text);
      return { outcome, ...(endReason && { endReason }) };
    }
    const session = sessionOf(fingerprint, readRecord(fingerprint, text));
    if (session === undefined) return { outcome: "absent" };
    if (outcome === "rotated") void this.#index.add(session, now).catch(ignore);
    if (published === 1) request.onPublished?.();
    return { outcome, session };
  }

  async reissue(
    fingerprint: string,
    { atLeast, network, securityVersion = 0, onPublished }: ReissueRequest & Publication,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<Session | undefined> {
    const reply = await orUnavailable(
      this.#client.curfewReissue(
        sessionKey(fingerprint),
        now,
        atLeast,
        now + lifetimes.access,
        now + lifetimes.renewal,
        now - Date.now(),
        network,
        securityVersion,
        renewedMessage(fingerprint),
        this.#channel(sessionTopic(fingerprint)),
      ),
    );
    if (reply === null) return undefined;
    const [text, published] = reply;
    const session = sessionOf(fingerprint, readRecord(fingerprint, text));
    if (session !== undefined) void this.#index.add(session, now).catch(ignore);
    if (published === 1) onPublished?.();
    return session;
  }

  async touch(fingerprint: string, now: number): Promise<void> {
    await orUnavailable(this.#client.curfewTouch(sessionKey(fingerprint), now));
  }

  async end(fingerprint: string, now: number, request?: EndRequest): Promise<Session | undefined> {
    const { replicated, endReasonTtl = defaultEndReasonTtl } = this.#options;
    const reason = request?.reason;
    const end = [
      sessionKey(fingerprint),
      encodeEnd(reason),
      endReasonTtl,
      JSON.stringify({ type: "ended", fingerprint, reason, at: now }),
      // A message without a reason would not be understood.
      reason === undefined ? "" : this.#channel(sessionTopic(fingerprint)),
      reason === undefined ? "" : this.#channel(endsTopic),
    ] as const;
    const [text, published] = await orUnavailable(this.#client.curfewEnd(...end));
    if (published === 1 && this.#options.channelOf) request?.onPublished?.();
    const reading = readRecord(fingerprint, text);
    // Not awaited: the index may be on another node of a cluster, and that node may hang.
    if (reading.state === "session") void this.#index.remove(reading.session.userId, [fingerprint]);
    if (replicated) await orUnavailable(replicated.endAgain(end));
    // A record that is not understood is removed all the same, without a session to return.
    return reading.state === "session" ? liveSession(fingerprint, reading, now) : undefined;
  }

  async endReason(fingerprint: string): Promise<EndReason | undefined> {
    const reading = await orUnavailable(this.#record(fingerprint));
    return reading.state === "ended" ? reading.endReason : undefined;
  }

  onReplaced(listener: () => void): () => void {
    return this.#options.replacements?.onReplaced(listener) ?? (() => {});
  }

  async listByUser(userId: string, now: number): Promise<readonly Session[]> {
    const sessions = await orUnavailable(this.#index.sessions(userId));
    return sessions
      .filter((session) => isLive(session, now))
      .toSorted((a, b) => b.createdAt - a.createdAt);
  }

  /** A batch may contain a fingerprint a second time. */
  async *scan(): AsyncGenerator<readonly string[]> {
    const [prefix = ""] = sessionKey("*").split("*");
    const batches = scanKeys(this.#client, sessionKey("*"));
    for (let next = await orUnavailable(batches.next()); !next.done;) {
      yield next.value.map((key) => key.slice(prefix.length, -1));
      next = await orUnavailable(batches.next());
    }
  }

  async ping(): Promise<void> {
    await orUnavailable(this.#client.ping());
  }

  async close(): Promise<void> {
    await Promise.all([closeClient(this.#client), this.#options.replicated?.close()]);
  }

  async #record(fingerprint: string): Promise<RecordReading> {
    return readRecord(fingerprint, await this.#reads.load(fingerprint));
  }

  /** The channel of a topic; empty if the scripts do not publish. */
  #channel(topic: string): string {
    return this.#options.channelOf?.(topic) ?? "";
  }

  /** In the order of the fingerprints: one command to one server; in a cluster, one to the node of each key. */
  async #texts(fingerprints: readonly string[]): Promise<TextReply[]> {
    const client = this.#client;
    const keys = fingerprints.map(sessionKey);
    if (client instanceof Cluster)
      return Promise.all(keys.map((key) => client.get(key).catch(unavailable)));
    return client.mget(keys).catch((cause: unknown) => keys.map(() => unavailable(cause)));
  }
}

/** The braces make the fingerprint the hash tag, which alone determines the slot in a cluster. */
function sessionKey(fingerprint: string): string {
  return `curfew:session:{${fingerprint}}`;
}

/** The message of a renewal without the session, which the scripts add. */
function renewedMessage(fingerprint: string): string {
  return JSON.stringify({ type: "renewed", fingerprint });
}

function sessionOf(fingerprint: string, reading: RecordReading): Session | undefined {
  if (reading.state === "notUnderstood")
    throw new StoreUnavailable(`The record of session ${fingerprint} is not understood`);
  return reading.state === "session" ? reading.session : undefined;
}

function liveSession(
  fingerprint: string,
  reading: RecordReading,
  now: number,
): Session | undefined {
  const session = sessionOf(fingerprint, reading);
  return session && isLive(session, now) ? session : undefined;
}

/** The value of a key, null if there is none, or the reason that it could not be read. */
type TextReply = string | null | StoreUnavailable;

function toLookup(fingerprint: string, text: TextReply, now: number): SessionLookup {
  if (text instanceof StoreUnavailable) return { state: "unknown", cause: text };
  try {
    const session = liveSession(fingerprint, readRecord(fingerprint, text), now);
    return session === undefined
      ? { state: "absent" }
      : { state: "live", standing: expiryOf(session) };
  } catch (cause) {
    return { state: "unknown", cause: unavailable(cause) };
  }
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
  if (cause instanceof StoreUnavailable) return cause;
  return new StoreUnavailable("Redis did not execute a command", { cause });
}
