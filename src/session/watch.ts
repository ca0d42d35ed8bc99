/** Watches all sessions of a user: what happens to them, on any node, as a stream of events. */
import type { Deadlines } from "./deadlines.ts";
import {
  readSessionMessage,
  readUserMessage,
  sessionTopic,
  userTopic,
  type SessionMessage,
} from "./messages.ts";
import type { EndReason } from "./reasons.ts";
import type { Session } from "./session.ts";
import { Stream } from "./stream.ts";
import type { Topics, Unsubscribe } from "./topics.ts";

export type SessionEvent =
  | { readonly type: "STARTED" | "RENEWED"; readonly session: Session; readonly at: number }
  | {
      readonly type: "ENDED";
      readonly session: Session;
      readonly reason: EndReason;
      readonly at: number;
    };

export interface WatchOptions {
  readonly topics: Topics;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  readonly list: (userId: string) => Promise<readonly Session[]>;
  readonly onFault: (what: string, error: unknown) => void;
}

/** Resolves once nothing that happens from then on is missed. */
export async function watchSessions(
  userId: string,
  options: WatchOptions,
): Promise<Stream<SessionEvent>> {
  const watch = new Watch(options);
  try {
    await watch.open(userId);
  } catch (error) {
    watch.stream.close();
    throw error;
  }
  return watch.stream;
}

interface Watched {
  leave: Unsubscribe | undefined;
  forgetExpiry: () => void;
}

/**
 * Every change of a session is said once, on that session's topic; so a watch is on the topics of all
 * of a user's sessions, and on the user's own for new ones.
 */
class Watch {
  readonly stream: Stream<SessionEvent>;
  readonly #options: WatchOptions;
  readonly #sessions = new Map<string, Watched>();
  #leaveUser: Unsubscribe | undefined;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.stream = new Stream(() => this.#close());
  }

  async open(userId: string): Promise<void> {
    const { topics, list } = this.#options;
    this.#leaveUser = await topics.subscribe(userTopic(userId), (message) =>
      this.#started(message),
    );
    // Listed after the subscription: a session that starts meanwhile is in the one or in the other.
    const sessions = await list(userId);
    await Promise.all(sessions.map((session) => this.#follow(session)));
    if (this.#closed) this.#close();
  }

  #started(message: unknown): void {
    const started = readUserMessage(message);
    if (started === undefined) return;
    const { session } = started;
    this.stream.push({ type: "STARTED", session, at: session.createdAt });
    this.#follow(session).catch((error: unknown) =>
      this.#options.onFault("a new session is not watched", error),
    );
  }

  async #follow(session: Session): Promise<void> {
    const { fingerprint } = session;
    if (this.#closed || this.#sessions.has(fingerprint)) return;
    const watched: Watched = { leave: undefined, forgetExpiry: this.#expire(session) };
    this.#sessions.set(fingerprint, watched);
    const leave = await this.#options.topics.subscribe(sessionTopic(fingerprint), (message) => {
      const read = readSessionMessage(message);
      if (read?.session.fingerprint === fingerprint) this.#changed(read);
    });
    if (this.#sessions.get(fingerprint) === watched) watched.leave = leave;
    else leave();
  }

  #changed(message: SessionMessage): void {
    const { session } = message;
    const watched = this.#sessions.get(session.fingerprint);
    if (watched === undefined) return;
    if (message.type === "renewed") {
      watched.forgetExpiry();
      watched.forgetExpiry = this.#expire(session);
      this.stream.push({ type: "RENEWED", session, at: session.renewedAt });
    } else this.#ended(session, message.reason);
  }

  #ended(session: Session, reason: EndReason): void {
    this.#forget(session.fingerprint);
    this.stream.push({ type: "ENDED", session, reason, at: this.#options.clock() });
  }

  /** Nobody announces an expiry: it happens by itself. */
  #expire(session: Session): () => void {
    const { deadlines, onFault } = this.#options;
    return deadlines.set(session.idleExpiresAt, () => {
      this.#expired(session).catch((error: unknown) =>
        onFault("a watched session could not be read at its expiry", error),
      );
    });
  }

  /** The message of a renewal may have been lost: the store has the last word. */
  async #expired(session: Session): Promise<void> {
    const { fingerprint, userId } = session;
    const listed = await this.#options.list(userId);
    const renewed = listed.find((one) => one.fingerprint === fingerprint);
    const watched = this.#sessions.get(fingerprint);
    if (watched === undefined) return;
    if (renewed === undefined) this.#ended(session, "EXPIRED");
    else this.#changed({ type: "renewed", session: renewed });
  }

  #forget(fingerprint: string): void {
    const watched = this.#sessions.get(fingerprint);
    this.#sessions.delete(fingerprint);
    watched?.forgetExpiry();
    watched?.leave?.();
  }

  #close(): void {
    this.#closed = true;
    this.#leaveUser?.();
    for (const fingerprint of this.#sessions.keys()) this.#forget(fingerprint);
  }
}
