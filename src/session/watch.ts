/** Watches all sessions of a user: an async iterator of the events on any node. */
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import { RetryQueue, type RetryLimits, type RetryQueueOptions } from "../lib/retry-queue.ts";
import { EventDelivery } from "./event-delivery.ts";
import { listAgain, type SessionReads } from "./list-again.ts";
import {
  readSessionMessage,
  readUserMessage,
  sessionTopic,
  userTopic,
  type SessionMessage,
} from "./messages.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { SessionEvent } from "./session-event.ts";
import type { Session } from "./session.ts";
import type { StoreUnavailable } from "./store.ts";
import type { Stream } from "../lib/bounded-queue.ts";
import type { Yield } from "../lib/yielding-queue.ts";
import type { PubSub, Unsubscribe } from "./pubsub.ts";

export type { SessionEvent } from "./session-event.ts";

export interface WatchOptions extends SessionReads {
  readonly pubsub: PubSub;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** The pause between two batches of deliveries to one user's subscribers. */
  readonly pause: Yield;
  /** How the sessions of users are listed again, of all watches together. */
  readonly rereads: RetryLimits & Pick<RetryQueueOptions, "wait" | "random">;
  readonly reportError: ReportError;
}

/** The watches of this node: one for each watched user, shared by all subscribers. */
export class Watches {
  readonly #options: WatchOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #rereads: RetryQueue;

  constructor(options: WatchOptions) {
    this.#options = options;
    const onOutage = (error: unknown) =>
      options.reportError("watched sessions could not be read", error);
    this.#rereads = new RetryQueue({ ...options.rereads, onOutage });
  }

  /**
   * Subscribes to the events of the user's sessions. Resolves once no later event can be missed. Of several
   * unread `RENEWED` events of one session, only the latest is delivered. A reader that is more than 1,000
   * events behind gets a `StreamOverflow`.
   *
   * @throws StoreUnavailable if the sessions cannot be watched
   */
  async watch(userId: string): Promise<Stream<SessionEvent>> {
    const watch = this.#watches.get(userId) ?? this.#open(userId);
    const reader = watch.read();
    try {
      await watch.complete();
    } catch (error) {
      reader.close();
      throw error;
    }
    return reader;
  }

  #open(userId: string): Watch {
    const watch = new Watch(userId, this.#options, this.#rereads, () => {
      if (this.#watches.get(userId) === watch) this.#watches.delete(userId);
    });
    this.#watches.set(userId, watch);
    return watch;
  }

  /** Lists no sessions again from now on. */
  close(): void {
    this.#rereads.close();
  }
}

interface Watched {
  session: Session;
  /** Resolves once the session's topic is subscribed. Undefined before, and after a failure. */
  subscribed: Promise<void> | undefined;
  unsubscribe: Unsubscribe | undefined;
  cancelDeadline: () => void;
}

/**
 * Every change of a session is published once, on the session's topic. So a watch subscribes to the topics
 * of all of a user's sessions, and to the user's own topic for new ones. To find missed messages, it lists
 * the sessions again after a gap, when a session may have ended or should have expired, and when a session
 * has started, which may have ended before its topic was subscribed. It opens with its first reader and
 * closes with its last.
 */
class Watch {
  readonly #userId: string;
  readonly #options: WatchOptions;
  readonly #rereads: RetryQueue;
  readonly #delivery: EventDelivery;
  readonly #sessions = new Map<string, Watched>();
  readonly #opening: Promise<void>;
  readonly #offMessagesMissed: Unsubscribe;
  readonly #onClose: () => void;
  readonly #reread = () => this.#readAgain();
  #unsubscribeUser: Unsubscribe | undefined;
  #closed = false;

  /** @param onClose called once, before the topics are unsubscribed */
  constructor(userId: string, options: WatchOptions, rereads: RetryQueue, onClose: () => void) {
    this.#userId = userId;
    this.#options = options;
    this.#rereads = rereads;
    this.#onClose = onClose;
    this.#delivery = new EventDelivery(options.pause);
    this.#offMessagesMissed = options.pubsub.onMessagesMissed(() => this.#readLater());
    this.#opening = this.#open();
  }

  /** Opens a reader of the events from now on. */
  read(): Stream<SessionEvent> {
    return this.#delivery.open(() => {
      if (this.#delivery.size === 0) this.#close();
    });
  }

  /** Resolves once all sessions that the user has now are watched. */
  async complete(): Promise<void> {
    await this.#opening;
    await this.#subscribeAll();
  }

  async #open(): Promise<void> {
    const { pubsub, list } = this.#options;
    try {
      this.#unsubscribeUser = await pubsub.subscribe(userTopic(this.#userId), (message) => {
        const read = readUserMessage(message);
        if (read?.type === "started") this.#started(read.session);
        else if (read !== undefined) this.#readLater();
      });
      // Listed after the subscription: a session that starts meanwhile is in the list or is published.
      for (const session of await list(this.#userId)) this.#add(session);
      await this.#subscribeAll();
    } catch (error) {
      this.#close();
      throw error;
    }
    if (this.#closed) this.#close();
  }

  #started(session: Session): void {
    if (this.#closed || this.#sessions.has(session.fingerprint)) return;
    this.#delivery.publish({ type: "STARTED", session, at: session.createdAt });
    this.#add(session);
    this.#readLater();
  }

  #add(session: Session): void {
    if (this.#closed || this.#sessions.has(session.fingerprint)) return;
    const watched: Watched = {
      session,
      subscribed: undefined,
      unsubscribe: undefined,
      cancelDeadline: () => {},
    };
    this.#sessions.set(session.fingerprint, watched);
    this.#setDeadline(watched);
    // `complete` and the next reread repeat it.
    this.#subscribe(watched).catch(() => {});
  }

  async #subscribeAll(): Promise<void> {
    await Promise.all(Array.from(this.#sessions.values(), (watched) => this.#subscribe(watched)));
  }

  /** Subscribes to the topic of a session, once. */
  #subscribe(watched: Watched): Promise<void> {
    watched.subscribed ??= this.#subscribeNow(watched).catch((error: unknown) => {
      watched.subscribed = undefined;
      throw error;
    });
    return watched.subscribed;
  }

  async #subscribeNow(watched: Watched): Promise<void> {
    const { fingerprint } = watched.session;
    const unsubscribe = await this.#options.pubsub.subscribe(
      sessionTopic(fingerprint),
      (message) => {
        const read = readSessionMessage(message);
        if (read?.fingerprint === fingerprint) this.#receive(watched, read);
      },
    );
    if (this.#sessions.get(fingerprint) === watched) watched.unsubscribe = unsubscribe;
    else unsubscribe();
  }

  #receive(watched: Watched, message: SessionMessage): void {
    switch (message.type) {
      case "renewed":
        return this.#renewed(watched, message.session);
      case "replayed":
        return this.#replayed(watched, message.session, message.address);
      case "ended":
        return this.#ended(watched, message.reason);
      case "uncertain":
        return this.#readLater();
    }
  }

  #renewed(watched: Watched, session: Session): void {
    // The message of a replay may have been lost or may come later.
    this.#replayed(watched, session, null);
    if (session.generation <= watched.session.generation) return;
    watched.session = session;
    this.#setDeadline(watched);
    this.#delivery.publish({ type: "RENEWED", session, at: session.renewedAt });
  }

  #replayed(watched: Watched, session: Session, address: string | null): void {
    const { foreignReplays, foreignReplayGeneration } = session;
    if (foreignReplayGeneration <= watched.session.foreignReplayGeneration) return;
    // Only these fields: a renewal whose message has not arrived is a separate event.
    watched.session = { ...watched.session, foreignReplays, foreignReplayGeneration };
    const at = this.#options.clock();
    this.#delivery.publish({ type: "REPLAYED", session: watched.session, address, at });
  }

  #ended(watched: Watched, reason: EndReason | null): void {
    if (!this.#forget(watched)) return;
    const { session } = watched;
    this.#delivery.publish({ type: "ENDED", session, reason, at: this.#options.clock() });
  }

  /** No message announces an expiry, so a deadline detects it. */
  #setDeadline(watched: Watched): void {
    watched.cancelDeadline();
    const { idleExpiresAt } = watched.session;
    watched.cancelDeadline = this.#options.deadlines.set(idleExpiresAt, () => this.#readLater());
  }

  /** Lists the sessions soon, and again until that succeeds. */
  #readLater(): void {
    if (!this.#closed) this.#rereads.add(this.#reread);
  }

  async #readAgain(): Promise<void> {
    const { clock } = this.#options;
    // A failure to open closes the watch and reaches its readers.
    await this.#opening.catch(() => {});
    if (this.#closed) return;
    // Subscribed before the list is read: what changes later is in the list or is published.
    await this.#subscribeAll();
    // A session that starts while the list is read may be missing from it without having ended.
    const before = new Map(this.#sessions);
    const { listed, missing } = await listAgain(this.#userId, [...before.keys()], this.#options);
    if (this.#closed) return;
    let unknown: StoreUnavailable | undefined;
    for (const [fingerprint, watched] of before) {
      const session = listed.get(fingerprint);
      const lookup = missing.get(fingerprint);
      const hasExpired = watched.session.idleExpiresAt <= clock();
      if (session !== undefined) this.#renewed(watched, session);
      else if (lookup?.state === "absent") this.#ended(watched, hasExpired ? "EXPIRED" : null);
      else if (lookup?.state === "unknown") unknown = lookup.cause;
    }
    for (const session of listed.values())
      if (!before.has(session.fingerprint)) this.#started(session);
    if (unknown !== undefined) throw unknown;
  }

  /** Stops watching a session. Returns whether it was watched. */
  #forget(watched: Watched): boolean {
    const { fingerprint } = watched.session;
    if (this.#sessions.get(fingerprint) !== watched) return false;
    this.#sessions.delete(fingerprint);
    watched.cancelDeadline();
    watched.unsubscribe?.();
    return true;
  }

  #close(): void {
    if (!this.#closed) this.#onClose();
    this.#closed = true;
    this.#rereads.remove(this.#reread);
    this.#offMessagesMissed();
    this.#unsubscribeUser?.();
    for (const watched of this.#sessions.values()) this.#forget(watched);
  }
}
