/** Carries the ends of sessions to every node, and from the other nodes to one that starts or has missed messages. */
import { chunksOf } from "../lib/in-batches.ts";
import { callSafely, type ReportError } from "../lib/report-error.ts";
import type { RecentEnds, SessionEnd } from "./ends.ts";
import { endsTopic, endsTopicOf, readEndsMessage, readEndsReply } from "./messages.ts";
import type { EndsMessage, EndsReply } from "./messages.ts";
import { retryPause, spreadPause, type Pauses } from "./pauses.ts";
import type { PubSub, Unsubscribe } from "./pubsub.ts";

export interface EndChannelOptions extends Pauses {
  readonly ends: RecentEnds;
  readonly pubsub: PubSub;
  /** Unique among all nodes. */
  readonly nodeId: string;
  readonly clock: () => number;
  /** Monotonic clock (ms). */
  readonly uptime: () => number;
  readonly reportError: ReportError;
  /** Called for each end that this node did not know. */
  readonly onEnd: (end: SessionEnd) => void;
  /** Called when another node has sent ends, some of which this node did not know. */
  readonly onTakeover?: () => void;
}

/** Ends per message. */
const batchSize = 500;

/** How many of its own ends a node repeats. */
const maxOwn = 5_000;

/** All in milliseconds. */
const times = {
  /** How long a starting node waits for another node to offer its ends. */
  offerTimeout: 200,
  /** How long a starting node waits for the ends that were offered. */
  replyTimeout: 2_000,
  /** The latest offer: the nodes do not all offer at once, and most need not. */
  maxOfferDelay: 100,
  /** After a gap, the ends of this time are asked for: longer than a node serves without its link. */
  gap: 300_000,
  /** The own ends that are repeated when they may not have reached all nodes: longer than a lost master goes unnoticed. */
  repeat: 10_000,
  /** The latest question after a gap: the nodes of a deployment do not all ask at once. */
  maxAskDelay: 250,
} as const;

export class EndChannel {
  readonly #options: EndChannelOptions;
  readonly #unsubscribes: Unsubscribe[] = [];
  /** The latest ends of this node, oldest first, with their times by `uptime`. */
  #own: (SessionEnd & { readonly heardAt: number })[] = [];
  #isClosed = false;
  /** By `uptime`: since when this node has missed no message. */
  #listeningSince = Infinity;
  /** The nodes that this one is about to answer. `isCovered`: another node, which has listened longer, does. */
  readonly #answers = new Map<string, { readonly listening: number; isCovered: boolean }>();
  /** Whether a reply that is not complete yet had ends that this node did not know. */
  #hasLearned = false;
  #offer: PromiseWithResolvers<void> | undefined;
  #reply: PromiseWithResolvers<void> | undefined;

  constructor(options: EndChannelOptions) {
    this.#options = options;
  }

  /**
   * Subscribes, and takes over the ends that other nodes know. Never rejects: if the pub/sub does not answer, it goes
   * on trying after this has resolved.
   */
  async open(): Promise<void> {
    try {
      await this.#subscribe();
    } catch (error) {
      this.#options.reportError("the channel of ended sessions is not subscribed yet", error);
      return void this.#subscribeLater();
    }
    await this.#takeOver();
  }

  /** Notes an end by this node, which is published elsewhere. */
  noteOwn(end: SessionEnd): void {
    // This pub/sub never asks for a repetition.
    if (this.#options.pubsub.onPublishedLost === undefined) return;
    const heardAt = this.#options.uptime();
    this.#own.push({ ...end, heardAt });
    if (
      this.#own.length > 2 * maxOwn ||
      (this.#own[0]?.heardAt ?? heardAt) < heardAt - 2 * times.repeat
    )
      this.#own = this.#latestOwn();
  }

  close(): void {
    this.#isClosed = true;
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    this.#offer?.resolve();
    this.#reply?.resolve();
  }

  /** Subscribes to both topics or to none. */
  async #subscribe(): Promise<void> {
    const { pubsub, nodeId, uptime } = this.#options;
    const results = await Promise.allSettled([
      pubsub.subscribe(endsTopic, (message) => this.#receive(readEndsMessage(message))),
      pubsub.subscribe(endsTopicOf(nodeId), (message) =>
        this.#receiveReply(readEndsReply(message)),
      ),
    ]);
    const failure = results.find((result) => result.status === "rejected");
    for (const result of results) {
      if (result.status === "rejected") continue;
      if (failure === undefined) this.#keep(result.value);
      else result.value();
    }
    if (failure !== undefined) throw failure.reason;
    this.#listeningSince = uptime();
  }

  async #subscribeLater(): Promise<void> {
    for (let failures = 1; !this.#isClosed; failures += 1) {
      await retryPause(failures, this.#options);
      const isSubscribed = await this.#subscribe().then(
        () => true,
        () => false,
      );
      if (isSubscribed) return this.#takeOver();
    }
  }

  async #takeOver(): Promise<void> {
    const { pubsub } = this.#options;
    // A pub/sub without readiness check is within this process: there are no other nodes.
    if (pubsub.ping === undefined) return;
    this.#keep(pubsub.onMessagesMissed(() => void this.#askAfterGap()));
    this.#keep(pubsub.onPublishedLost?.(() => void this.#repeatOwn()) ?? (() => {}));
    await this.#ask(Number.MAX_SAFE_INTEGER);
  }

  #latestOwn() {
    const since = this.#options.uptime() - times.repeat;
    return this.#own.filter(({ heardAt }) => heardAt >= since).slice(-maxOwn);
  }

  async #repeatOwn(): Promise<void> {
    for (const batch of chunksOf(this.#latestOwn(), batchSize))
      await Promise.all(
        batch.map(({ fingerprint, reason, at }) =>
          this.#publish(endsTopic, { type: "ended", fingerprint, reason, at }),
        ),
      );
  }

  /** Ends may have been missed. Not all nodes ask at once. */
  async #askAfterGap(): Promise<void> {
    this.#listeningSince = this.#options.uptime();
    await spreadPause(times.maxAskDelay, this.#options);
    if (!this.#isClosed) await this.#ask(times.gap);
  }

  /** Asks the other nodes for the ends of the last `within` milliseconds. Resolves when one has answered, or none has. */
  async #ask(within: number): Promise<void> {
    const { nodeId: by, pause } = this.#options;
    const offer = (this.#offer = Promise.withResolvers<void>());
    const reply = (this.#reply = Promise.withResolvers<void>());
    if (!(await this.#publish(endsTopic, { type: "endsRequested", by, within }))) return;
    const isOffered = offer.promise.then(() => true);
    const isLate = pause(times.offerTimeout).then(() => false);
    if (await Promise.race([isOffered, isLate]))
      await Promise.race([reply.promise, pause(times.replyTimeout)]);
  }

  #receive(message: EndsMessage | undefined): void {
    if (message === undefined) return;
    const { nodeId } = this.#options;
    switch (message.type) {
      case "ended":
        return void this.#learn(message);
      case "endsRequested":
        if (message.by !== nodeId) void this.#answer(message.by, message.within);
        return;
      case "endsOffered":
        if (message.to === nodeId) this.#offer?.resolve();
        else this.#leaveTo(message);
    }
  }

  /** Leaves the answer to a node that has listened longer, and so knows more. Between equal ones, the id decides. */
  #leaveTo({ to, by, listening }: EndsMessage & { readonly type: "endsOffered" }): void {
    const answer = this.#answers.get(to);
    if (answer === undefined) return;
    const isLonger = listening > answer.listening;
    const isAsLong = listening === answer.listening;
    if (isLonger || (isAsLong && by > this.#options.nodeId)) answer.isCovered = true;
  }

  #receiveReply(reply: EndsReply | undefined): void {
    for (const end of reply?.ends ?? []) if (this.#learn(end)) this.#hasLearned = true;
    if (reply?.isLast !== true) return;
    this.#reply?.resolve();
    if (this.#hasLearned) this.#options.onTakeover?.();
    this.#hasLearned = false;
  }

  /** Returns whether the end was new. */
  #learn(end: SessionEnd): boolean {
    const { ends, onEnd, reportError } = this.#options;
    if (!ends.add(end)) return false;
    callSafely(
      () => onEnd(end),
      (error) => reportError("the end of a session was not carried out", error),
    );
    return true;
  }

  /** Sends the ends to a node that asks. Of the nodes that have some, the one that has listened longest does. */
  async #answer(to: string, within: number): Promise<void> {
    if (this.#answers.has(to)) return;
    const { nodeId: by, pause } = this.#options;
    const answer = { listening: this.#listening(), isCovered: false };
    this.#answers.set(to, answer);
    await spreadPause(times.maxOfferDelay, this.#options);
    const offer = { type: "endsOffered", to, by, listening: answer.listening } as const;
    const isOffered =
      !answer.isCovered &&
      this.#known(within).length > 0 &&
      (await this.#publish(endsTopic, offer));
    // By then, all others have offered.
    if (isOffered) await pause(times.maxOfferDelay);
    this.#answers.delete(to);
    if (isOffered && !answer.isCovered) await this.#send(to, this.#known(within));
  }

  async #send(to: string, known: readonly SessionEnd[]): Promise<void> {
    const batches = chunksOf(known, batchSize);
    for (const [index, batch] of batches.entries()) {
      const ends = batch.map(({ fingerprint, reason, at }) => ({ fingerprint, reason, at }));
      const reply = { ends, isLast: index === batches.length - 1 };
      if (this.#isClosed || !(await this.#publish(endsTopicOf(to), reply))) return;
    }
  }

  /**
   * The ends of the last `within` milliseconds, oldest first: the node that takes them over forgets in that order when
   * it remembers too many.
   */
  #known(within: number): readonly SessionEnd[] {
    const { ends, clock } = this.#options;
    const since = clock() - within;
    return ends
      .newestFirst()
      .filter(({ at }) => at >= since)
      .toReversed();
  }

  #listening(): number {
    return Math.max(0, Math.round(this.#options.uptime() - this.#listeningSince));
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

  #keep(unsubscribe: Unsubscribe): void {
    if (this.#isClosed) unsubscribe();
    else this.#unsubscribes.push(unsubscribe);
  }
}
