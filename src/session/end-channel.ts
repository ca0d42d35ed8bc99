/** Carries the ends of sessions to every node, and replays them to a store that may have lost them. */
import { chunksOf, nextTurn } from "../lib/in-batches.ts";
import { callSafely, type ReportError } from "../lib/report-error.ts";
import { timedOut, withTimeout } from "../lib/timeout.ts";
import type { RecentEnds, SessionEnd } from "./ends.ts";
import { endsTopic, endsTopicOf, readEndsMessage, readEndsReply } from "./messages.ts";
import type { EndsMessage, EndsReply } from "./messages.ts";
import type { PubSub, Unsubscribe } from "./pubsub.ts";
import type { SessionStore } from "./store.ts";

export interface EndChannelOptions {
  readonly ends: RecentEnds;
  readonly pubsub: PubSub;
  readonly store: Pick<SessionStore, "readMany" | "onReplaced">;
  /** Ends a session again. Resolves to whether the store had lost its end; rejects if that is unknown. */
  readonly endAgain: (end: SessionEnd) => Promise<boolean>;
  /** Unique among all nodes. */
  readonly nodeId: string;
  readonly clock: () => number;
  /** Monotonic clock (ms). */
  readonly uptime: () => number;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly pause: (milliseconds: number) => Promise<void>;
  readonly reportError: ReportError;
  /** Called for each end that this node did not know. */
  readonly onEnd: (end: SessionEnd) => void;
  /** Called after each batch of a replay. `lost`: how many ends of the batch the store had lost. */
  readonly onReplay?: (lost: number) => void;
}

/** Ends per message, per read of the store and per turn of the event loop. */
const batchSize = 500;

/** All in milliseconds. */
const times = {
  /** How long a starting node waits for another node to offer its ends. */
  offerTimeout: 200,
  /** How long a starting node waits for the ends that were offered. */
  replyTimeout: 2_000,
  /** The latest offer: only the first node that offers sends its ends. */
  maxOfferDelay: 100,
  /** After a gap, the ends of this time are asked for: longer than a node serves without its link. */
  gap: 300_000,
  /** The latest start of a replay: the nodes of a deployment do not all begin at once. */
  maxReplayDelay: 250,
  minRetryDelay: 250,
  maxRetryDelay: 5_000,
} as const;

export class EndChannel {
  readonly #options: EndChannelOptions;
  readonly #unsubscribes: Unsubscribe[] = [];
  #isClosed = false;
  /** By `uptime`. */
  #listeningSince = Infinity;
  /** The nodes that this one is about to answer, and whether another node does. */
  readonly #answers = new Map<string, { isCovered: boolean }>();
  #offer: PromiseWithResolvers<void> | undefined;
  #reply: PromiseWithResolvers<void> | undefined;
  /** A replay is running, and whether the store was replaced again since it began. */
  #replay: { again: boolean } | undefined;

  constructor(options: EndChannelOptions) {
    this.#options = options;
  }

  /**
   * Subscribes, and takes over the ends that other nodes know. Never rejects: if the pub/sub does not answer, it goes
   * on trying after this has resolved.
   */
  async open(): Promise<void> {
    const { pubsub, store } = this.#options;
    this.#keep(store.onReplaced?.(() => this.#startReplay()) ?? (() => {}));
    if (!(await this.#subscribe())) return void this.#subscribeLater();
    // A pub/sub without readiness check is within this process: there are no other nodes.
    if (pubsub.ping !== undefined) await this.#ask(Infinity);
  }

  close(): void {
    this.#isClosed = true;
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    this.#offer?.resolve();
    this.#reply?.resolve();
  }

  async #subscribe(): Promise<boolean> {
    const { pubsub, nodeId, uptime } = this.#options;
    try {
      const topics = await Promise.all([
        pubsub.subscribe(endsTopic, (message) => this.#receive(readEndsMessage(message))),
        pubsub.subscribe(endsTopicOf(nodeId), (message) =>
          this.#receiveReply(readEndsReply(message)),
        ),
      ]);
      for (const unsubscribe of topics) this.#keep(unsubscribe);
      this.#keep(pubsub.onMessagesMissed(() => void this.#askLater()));
      this.#listeningSince = uptime();
      return true;
    } catch (error) {
      this.#options.reportError("the channel of ended sessions is not subscribed yet", error);
      return false;
    }
  }

  async #subscribeLater(): Promise<void> {
    for (let tries = 0; !this.#isClosed; tries += 1) {
      await this.#retryPause(tries);
      if (this.#isClosed) return;
      if (await this.#subscribe()) return this.#ask(Infinity);
    }
  }

  /** Ends may have been missed. Not all nodes ask at once. */
  async #askLater(): Promise<void> {
    await this.#pause(times.maxReplayDelay);
    if (!this.#isClosed) await this.#ask(times.gap);
  }

  /** Asks the other nodes for the ends of the last `within` milliseconds. Resolves when one has answered, or none has. */
  async #ask(within: number): Promise<void> {
    const { nodeId } = this.#options;
    const offer = (this.#offer = Promise.withResolvers<void>());
    const reply = (this.#reply = Promise.withResolvers<void>());
    const longest = Number.MAX_SAFE_INTEGER;
    const request = {
      type: "endsRequested",
      by: nodeId,
      within: Math.min(within, longest),
    } as const;
    if (!(await this.#publish(endsTopic, request))) return;
    if ((await withTimeout(offer.promise, times.offerTimeout)) === timedOut) return;
    await withTimeout(reply.promise, times.replyTimeout);
  }

  #receive(message: EndsMessage | undefined): void {
    if (message === undefined) return;
    const { nodeId } = this.#options;
    switch (message.type) {
      case "ended":
        return this.#learn(message);
      case "endsRequested":
        if (message.by !== nodeId) void this.#answer(message.by, message.within);
        return;
      case "endsOffered":
        if (message.to === nodeId) this.#offer?.resolve();
        // A node that has listened for less time may know less.
        else if (message.listening >= this.#listening()) {
          const answer = this.#answers.get(message.to);
          if (answer !== undefined) answer.isCovered = true;
        }
    }
  }

  #receiveReply(reply: EndsReply | undefined): void {
    for (const end of reply?.ends ?? []) this.#learn(end);
    if (reply?.isLast === true) this.#reply?.resolve();
  }

  #learn(end: SessionEnd): void {
    const { ends, onEnd, reportError } = this.#options;
    if (!ends.add(end)) return;
    callSafely(
      () => onEnd(end),
      (error) => reportError("the end of a session was not carried out", error),
    );
  }

  /** Sends the ends to a node that asks, unless another node does. */
  async #answer(to: string, within: number): Promise<void> {
    const { ends, clock } = this.#options;
    const answer = { isCovered: false };
    this.#answers.set(to, answer);
    await this.#pause(times.maxOfferDelay);
    this.#answers.delete(to);
    const since = clock() - within;
    const known = ends.newestFirst().filter(({ at }) => at >= since);
    if (this.#isClosed || known.length === 0 || answer.isCovered) return;
    const listening = Math.round(this.#listening());
    if (!(await this.#publish(endsTopic, { type: "endsOffered", to, listening }))) return;
    const batches = chunksOf(known, batchSize);
    for (const [index, batch] of batches.entries()) {
      const reply = { ends: batch, isLast: index === batches.length - 1 };
      if (!(await this.#publish(endsTopicOf(to), reply))) return;
    }
  }

  #listening(): number {
    return Math.max(0, this.#options.uptime() - this.#listeningSince);
  }

  #startReplay(): void {
    if (this.#replay !== undefined) this.#replay.again = true;
    else void this.#replayAll();
  }

  /** Ends all known sessions again that the store has, newest first, until it has confirmed each. */
  async #replayAll(): Promise<void> {
    const { ends } = this.#options;
    const state = { again: true };
    this.#replay = state;
    await this.#pause(times.maxReplayDelay);
    let pending: readonly SessionEnd[] = [];
    for (let tries = 0; (state.again || pending.length > 0) && !this.#isClosed; tries += 1) {
      if (state.again) pending = ends.newestFirst();
      state.again = false;
      pending = await this.#replayOnce(pending);
      if (pending.length > 0) await this.#retryPause(tries);
    }
    this.#replay = undefined;
  }

  /** Resolves to the ends that the store has not confirmed. */
  async #replayOnce(all: readonly SessionEnd[]): Promise<readonly SessionEnd[]> {
    const unconfirmed: SessionEnd[] = [];
    for (const batch of chunksOf(all, batchSize)) {
      if (this.#isClosed) return [];
      const present = await this.#present(batch);
      const results = await Promise.all(present.map((end) => this.#endAgain(end)));
      unconfirmed.push(...present.filter((_, i) => results[i] === undefined));
      this.#options.onReplay?.(results.filter(Boolean).length);
      await nextTurn();
    }
    return unconfirmed;
  }

  /** The ends whose sessions the store has, or may have. */
  async #present(batch: readonly SessionEnd[]): Promise<readonly SessionEnd[]> {
    const { store, clock } = this.#options;
    const fingerprints = batch.map(({ fingerprint }) => fingerprint);
    const lookups = await store.readMany(fingerprints, clock()).catch(() => []);
    return batch.filter((_, i) => lookups[i]?.state !== "absent");
  }

  /** Resolves to whether the store had lost the end; to undefined if that is unknown. */
  async #endAgain(end: SessionEnd): Promise<boolean | undefined> {
    try {
      return await this.#options.endAgain(end);
    } catch {
      return undefined;
    }
  }

  async #publish(topic: string, message: EndsMessage | EndsReply): Promise<boolean> {
    try {
      await this.#options.pubsub.publish(topic, message);
      return true;
    } catch (error) {
      this.#options.reportError("ended sessions were not passed on between nodes", error);
      return false;
    }
  }

  /** Pauses for a random part of the time. */
  async #pause(longest: number): Promise<void> {
    const { pause, random } = this.#options;
    await pause(random() * longest);
  }

  async #retryPause(tries: number): Promise<void> {
    const { pause, random } = this.#options;
    const longest = Math.min(times.minRetryDelay * 2 ** tries, times.maxRetryDelay);
    await pause((longest * (1 + random())) / 2);
  }

  #keep(unsubscribe: Unsubscribe): void {
    if (this.#isClosed) unsubscribe();
    else this.#unsubscribes.push(unsubscribe);
  }
}
