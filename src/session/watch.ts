/** Watches all sessions of a user: what happens to them, on any node, as a stream of events. */
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import { EventDelivery } from "./event-delivery.ts";
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
import type { Stream } from "../lib/bounded-queue.ts";
import type { Yield } from "../lib/yielding-queue.ts";
import type { PubSub, Unsubscribe } from "./pubsub.ts";

export type { SessionEvent } from "./session-event.ts";

export interface WatchOptions {
  readonly pubsub: PubSub;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  readonly list: (userId: string) => Promise<readonly Session[]>;
  /** Between one slice of deliveries to one user's watchers and the next. */
  readonly pause: Yield;
  readonly reportError: ReportError;
}

/** The watches of this node: one for each user that is watched, shared by all who watch. */
export class Watches {
  readonly #options: WatchOptions;
  readonly #watches = new Map<string, Watch>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /**
   * Streams what happens to the user's sessions. Resolves once nothing that happens from then on is missed.
   * `RENEWED` events of one session that wait to be read become one, the latest. A reader that is more than
   * 1,000 events behind gets a `StreamOverflow`.
   *
   * @throws StoreUnavailable when the sessions cannot be watched
   */
  async watch(userId: string): Promise<Stream<SessionEvent>> {
    const watch = this.#watches.get(userId) ?? this.#open(userId);
    const reader = watch.read();
    try {
      await watch.isComplete();
    } catch (error) {
      reader.close();
      throw error;
    }
    return reader;
  }

  #open(userId: string): Watch {
    const watch = new Watch(userId, this.#options, () => {
      if (this.#watches.get(userId) === watch) this.#watches.delete(userId);
    });
    this.#watches.set(userId, watch);
    return watch;
  }
}

interface Watched {
  session: Session;
  leave: Unsubscribe | undefined;
  cancelDeadline: () => void;
}

/**
 * Every change of a session is published once, on that session's topic; so a watch is on the topics of all
 * of a user's sessions, and on the user's own for new ones. Messages that were missed are found out by
 * reading the list again: after a gap, and when a session should have expired. It opens with its first
 * reader and closes with its last.
 */
class Watch {
  readonly #userId: string;
  readonly #options: WatchOptions;
  readonly #delivery: EventDelivery;
  readonly #sessions = new Map<string, Watched>();
  /** Topics of sessions that are being subscribed to. */
  readonly #pending = new Set<Promise<void>>();
  readonly #opening: Promise<void>;
  readonly #leaveGaps: Unsubscribe;
  readonly #onClose: () => void;
  #leaveUser: Unsubscribe | undefined;
  #closed = false;
  /** A session is not watched because its topic could not be subscribed to. */
  #isPartial = false;
  #refreshing: Promise<void> | undefined;
  /** Something happened after the running refresh had begun. */
  #isStale = false;

  /** @param onClose called once, before it leaves its topics */
  constructor(userId: string, options: WatchOptions, onClose: () => void) {
    this.#userId = userId;
    this.#options = options;
    this.#onClose = onClose;
    this.#delivery = new EventDelivery(options.pause);
    this.#leaveGaps = options.pubsub.onMessagesMissed(() => this.#refreshLater());
    this.#opening = this.#open();
  }

  /** Reads what happens from now on. */
  read(): Stream<SessionEvent> {
    return this.#delivery.open(() => {
      if (this.#delivery.size === 0) this.#close();
    });
  }

  /** Resolves when it hears of all sessions that the user has now. */
  async isComplete(): Promise<void> {
    await this.#opening;
    if (this.#isPartial) await this.#refresh();
    await Promise.all(this.#pending);
  }

  async #open(): Promise<void> {
    const { pubsub, list } = this.#options;
    try {
      this.#leaveUser = await pubsub.subscribe(userTopic(this.#userId), (message) => {
        const started = readUserMessage(message);
        if (started !== undefined) this.#started(started.session);
      });
      // Listed after the subscription: a session that starts meanwhile is in the one or in the other.
      const sessions = await list(this.#userId);
      await Promise.all(sessions.map((session) => this.#follow(session)));
    } catch (error) {
      this.#close();
      throw error;
    }
    if (this.#closed) this.#close();
  }

  #started(session: Session): void {
    if (this.#sessions.has(session.fingerprint)) return;
    this.#delivery.publish({ type: "STARTED", session, at: session.createdAt });
    const pending = this.#follow(session);
    this.#pending.add(pending);
    pending
      .catch((error: unknown) => {
        this.#isPartial = true;
        this.#options.reportError("a new session is not watched", error);
      })
      .finally(() => this.#pending.delete(pending));
  }

  async #follow(session: Session): Promise<void> {
    const { fingerprint } = session;
    if (this.#closed || this.#sessions.has(fingerprint)) return;
    const watched: Watched = { session, leave: undefined, cancelDeadline: () => {} };
    this.#sessions.set(fingerprint, watched);
    this.#setDeadline(watched);
    try {
      const leave = await this.#options.pubsub.subscribe(sessionTopic(fingerprint), (message) => {
        const read = readSessionMessage(message);
        if (read?.fingerprint === fingerprint) this.#hear(watched, read);
      });
      if (this.#sessions.get(fingerprint) === watched) watched.leave = leave;
      else leave();
    } catch (error) {
      this.#forget(watched);
      throw error;
    }
  }

  #hear(watched: Watched, message: SessionMessage): void {
    switch (message.type) {
      case "renewed":
        return this.#renewed(watched, message.session);
      case "replayed":
        return this.#replayed(watched, message.session, message.address);
      case "ended":
        return this.#ended(watched, message.reason);
      case "uncertain":
        return this.#refreshLater();
    }
  }

  #renewed(watched: Watched, session: Session): void {
    // The message of a replay may have been lost, or overtaken.
    this.#replayed(watched, session, null);
    if (session.generation <= watched.session.generation) return;
    watched.session = session;
    this.#setDeadline(watched);
    this.#delivery.publish({ type: "RENEWED", session, at: session.renewedAt });
  }

  #replayed(watched: Watched, session: Session, address: string | null): void {
    const { foreignReplays, foreignReplayGeneration } = session;
    if (foreignReplayGeneration <= watched.session.foreignReplayGeneration) return;
    // Only these: a renewal that is not heard of yet is an event of its own.
    watched.session = { ...watched.session, foreignReplays, foreignReplayGeneration };
    const at = this.#options.clock();
    this.#delivery.publish({ type: "REPLAYED", session: watched.session, address, at });
  }

  #ended(watched: Watched, reason: EndReason | null): void {
    if (!this.#forget(watched)) return;
    const { session } = watched;
    this.#delivery.publish({ type: "ENDED", session, reason, at: this.#options.clock() });
  }

  /** Nobody announces an expiry: it happens by itself. */
  #setDeadline(watched: Watched): void {
    watched.cancelDeadline();
    const { idleExpiresAt } = watched.session;
    watched.cancelDeadline = this.#options.deadlines.set(idleExpiresAt, () => this.#refreshLater());
  }

  #refreshLater(): void {
    this.#refresh().catch((error: unknown) =>
      this.#options.reportError("watched sessions could not be read", error),
    );
  }

  /** Reads the list once for all that ask meanwhile, and once more for those that ask after it was read. */
  #refresh(): Promise<void> {
    if (this.#refreshing !== undefined) {
      this.#isStale = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#readAgain().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #readAgain(): Promise<void> {
    do {
      this.#isStale = false;
      this.#isPartial = false;
      await this.#readList();
    } while (this.#isStale && !this.#closed);
  }

  async #readList(): Promise<void> {
    const { list, clock } = this.#options;
    // What starts while the list is read is not in it, and has not ended for that.
    const before = [...this.#sessions.values()];
    const listed = await list(this.#userId);
    if (this.#closed) return;
    for (const watched of before) {
      const { fingerprint, idleExpiresAt } = watched.session;
      const session = listed.find((one) => one.fingerprint === fingerprint);
      if (session !== undefined) this.#renewed(watched, session);
      else this.#ended(watched, idleExpiresAt <= clock() ? "EXPIRED" : null);
    }
    const known = new Set(before.map(({ session }) => session.fingerprint));
    for (const session of listed) if (!known.has(session.fingerprint)) this.#started(session);
  }

  /** Whether it was still watched. */
  #forget(watched: Watched): boolean {
    const { fingerprint } = watched.session;
    if (this.#sessions.get(fingerprint) !== watched) return false;
    this.#sessions.delete(fingerprint);
    watched.cancelDeadline();
    watched.leave?.();
    return true;
  }

  #close(): void {
    if (!this.#closed) this.#onClose();
    this.#closed = true;
    this.#leaveGaps();
    this.#leaveUser?.();
    for (const watched of this.#sessions.values()) this.#forget(watched);
  }
}
