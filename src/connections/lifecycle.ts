/**
 * The lifecycle of a connection or request. It ends once, with a reason, and then calls its listeners.
 *
 * An `AbortSignal` does not suffice, for three reasons:
 *
 * - The reason is known before the listeners are called.
 * - A reply can delay the calls.
 * - An error that a listener throws is reported. It does not become an uncaught exception.
 */
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import { callSafely, type ReportError } from "../lib/report-error.ts";

/** How long the server waits for a client to answer the close frame, before it terminates the socket (ms). */
export const closeTimeout = 1_000;

/** How long {@link ConnectionLifecycle.closeAfterReplies} waits for the replies in flight (ms). */
export const repliesTimeout = 10_000;

/**
 * The reasons of {@link ConnectionLifecycle.closeAfterReplies}. After each one, graphql-ws's client reconnects by
 * itself.
 */
export type RetryableReason = Extract<CloseReason, "SESSION_EXPIRED" | "TRY_AGAIN_LATER">;

/** May be async. The lifecycle does not wait for its promise. */
type EndListener = (reason: CloseReason) => unknown;

/** A close that waits for the replies in flight. */
interface GracefulClose {
  readonly reason: RetryableReason;
  /** Whether the server no longer accepts the connection's token. */
  readonly isRevoked: boolean;
}

/**
 * In the methods below, a reply is any object that identifies one operation. A close waits for replies in two cases:
 *
 * - {@link closeAfter}: an operation ends its own session. The close waits for the reply to this operation only.
 * - {@link closeAfterReplies}: the client will reconnect. The close waits for all replies in flight.
 */
export class ConnectionLifecycle {
  #reason: CloseReason | undefined;
  #endReason: EndReason | undefined;
  #listenersCalled = false;
  readonly #listeners = new Set<EndListener>();
  // The next three fields stay undefined until they are needed, to save memory: most connections are idle sockets.
  #repliesInFlight: Set<object> | undefined;
  /** The replies of {@link closeAfter} and their timers. Every close waits for them, except CLIENT_GONE. */
  #repliesBeforeClose: Map<object, NodeJS.Timeout | undefined> | undefined;
  #gracefulClose: GracefulClose | undefined;
  readonly #reportError: ReportError;

  /** @param reportError receives the errors of listeners. An error does not stop the other listeners. */
  constructor(reportError: ReportError) {
    this.#reportError = reportError;
  }

  /**
   * The reason of the end. It is set before the listeners are called. Once it is set, the connection accepts
   * nothing and delivers only the replies of {@link closeAfter}.
   */
  get closeReason(): CloseReason | undefined {
    return this.#reason;
  }

  /** Why the session ended, if the close reason is `SESSION_ENDED` and this is known. */
  get endReason(): EndReason | undefined {
    return this.#endReason;
  }

  /**
   * The reason why the connection has ended, or why it will close after the replies in flight. Once it is set, the
   * connection accepts no new operation, and its subscriptions deliver no more events.
   */
  get closingFor(): CloseReason | undefined {
    return this.#reason ?? this.#gracefulClose?.reason;
  }

  /**
   * Whether the server no longer accepts the connection's token, although the session is live. Then no protected
   * field may start.
   */
  get isRevoked(): boolean {
    return this.#gracefulClose?.isRevoked === true;
  }

  /**
   * Calls the listener once, when the lifecycle ends. If the listeners have been called already, calls this one now.
   *
   * @returns a function that removes the listener
   */
  onEnd(listener: EndListener): () => void {
    if (this.#listenersCalled && this.#reason !== undefined) {
      this.#callListener(listener, this.#reason);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Ends the lifecycle. Only the first reason is kept. The listeners are called once the replies of
   * {@link closeAfter} are finished.
   *
   * @param endReason why the session ended, if the reason is `SESSION_ENDED`
   */
  end(reason: CloseReason, endReason?: EndReason): void {
    this.markClosed(reason, endReason);
    // The client has disconnected, so it cannot receive a reply.
    if (reason === "CLIENT_GONE") this.#stopAllWaits();
    this.#closeUnlessWaiting();
  }

  /**
   * Sets {@link closeReason}, but does not call the listeners, because those calls take longer. The caller must
   * call {@link end} later.
   */
  markClosed(reason: CloseReason, endReason?: EndReason): void {
    this.#reason ??= reason;
    if (this.#reason === "SESSION_ENDED") this.#endReason ??= endReason;
  }

  /** Whether replies are in flight. */
  get isReplying(): boolean {
    return this.#repliesInFlight !== undefined && this.#repliesInFlight.size > 0;
  }

  /** Marks a reply as in flight. The mark lasts until {@link finishReply}. */
  beginReply(reply: object): void {
    (this.#repliesInFlight ??= new Set()).add(reply);
  }

  /**
   * The caller has sent this reply, or will never send it. If a close waits for this reply and for no other, the
   * connection closes now.
   */
  finishReply(reply: object): void {
    clearTimeout(this.#repliesBeforeClose?.get(reply));
    if (this.#repliesBeforeClose?.delete(reply) === true) this.#closeUnlessWaiting();
    const wasInFlight = this.#repliesInFlight?.delete(reply) === true;
    if (wasInFlight && this.#gracefulClose !== undefined && !this.isReplying)
      this.end(this.#gracefulClose.reason);
  }

  /**
   * Makes every close wait for this reply: the listeners are called once the reply is finished, or once the client
   * has disconnected.
   *
   * @param timeout milliseconds after which the close no longer waits for the reply
   * @default no time-out
   */
  closeAfter(reply: object, timeout?: number): void {
    const stopWaiting = () => {
      this.#repliesBeforeClose?.delete(reply);
      this.#closeUnlessWaiting();
    };
    const timer = timeout === undefined ? undefined : setTimeout(stopWaiting, timeout);
    (this.#repliesBeforeClose ??= new Map()).set(reply, timer);
  }

  /**
   * Ends the lifecycle when the last reply in flight is finished, or after {@link repliesTimeout}. Without this
   * wait, graphql-ws's client would send an operation without a reply again, and a mutation would run twice.
   *
   * The connection accepts no new operation from now on. If the lifecycle ends for another reason during the
   * wait, that reason is kept.
   *
   * @param isRevoked whether the server no longer accepts the connection's token
   */
  closeAfterReplies(reason: RetryableReason, isRevoked = false): void {
    const isFirst = this.closingFor === undefined;
    this.#gracefulClose = {
      reason: this.#gracefulClose?.reason ?? reason,
      isRevoked: this.isRevoked || isRevoked,
    };
    if (!isFirst) return;
    const timer = setTimeout(() => this.end(reason), repliesTimeout);
    this.onEnd(() => clearTimeout(timer));
  }

  /** Settles as the promise does. If the lifecycle ends first, settles with the result of `onEnd`. */
  race<T>(promise: PromiseLike<T>, onEnd: (reason: CloseReason) => T | PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // With `Promise.race`, a promise of the end would keep one reaction per call until the lifecycle ends.
      const removeListener = this.onEnd((reason) => {
        try {
          resolve(onEnd(reason));
        } catch (error) {
          reject(error);
        }
      });
      promise.then(resolve, reject).then(removeListener, removeListener);
    });
  }

  #stopAllWaits(): void {
    for (const timer of this.#repliesBeforeClose?.values() ?? []) clearTimeout(timer);
    this.#repliesBeforeClose = undefined;
  }

  #closeUnlessWaiting(): void {
    const isWaiting = this.#repliesBeforeClose !== undefined && this.#repliesBeforeClose.size > 0;
    if (this.#listenersCalled || this.#reason === undefined || isWaiting) return;
    this.#listenersCalled = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) this.#callListener(listener, this.#reason);
  }

  #callListener(listener: EndListener, reason: CloseReason): void {
    callSafely(
      () => listener(reason),
      (error) =>
        this.#reportError("a listener to the end of a connection or request failed", error),
    );
  }
}
