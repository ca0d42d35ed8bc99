/**
 * The lifecycle of a connection or request: it ends once, with a reason, and its listeners are called. Not an
 * `AbortSignal`, because the end is known before listeners are called, a reply may delay that, and a listener
 * that throws is reported instead of raising an uncaught exception.
 */
import type { CloseReason } from "../protocol/close-reasons.ts";
import { callSafely, type ReportError } from "../lib/report-error.ts";

/** How long a socket may ignore its close frame before it is terminated (ms). */
export const closeTimeout = 1_000;

/** How long a retryable close waits for the replies in flight (ms). */
export const repliesTimeout = 10_000;

/** Close reasons after which graphql-ws's client reconnects by itself. */
export type RetryableReason = Extract<CloseReason, "SESSION_EXPIRED" | "TRY_AGAIN_LATER">;

/** May be async; its result is not awaited. */
type EndListener = (reason: CloseReason) => unknown;

/** A close that waits for the replies in flight. */
interface GracefulClose {
  readonly reason: RetryableReason;
  readonly isRevoked: boolean;
}

/**
 * A reply is any object that stands for one operation. Replies delay a close in two ways:
 *
 * - {@link closeAfter}: an operation ends its own session. Only its reply is sent before the close.
 * - {@link closeAfterReplies}: the client will reconnect. All replies in flight are sent before the close.
 */
export class ConnectionLifecycle {
  #reason: CloseReason | undefined;
  #isClosed = false;
  readonly #listeners = new Set<EndListener>();
  // The next three are created on demand: most connections are idle sockets.
  #inFlight: Set<object> | undefined;
  /** Replies that the close waits for whatever its reason, with their time-outs. */
  #awaited: Map<object, NodeJS.Timeout | undefined> | undefined;
  #gracefulClose: GracefulClose | undefined;
  readonly #reportError: ReportError;

  /** @param reportError receives what listeners throw or reject with; the other listeners are still called */
  constructor(reportError: ReportError) {
    this.#reportError = reportError;
  }

  /** Set as soon as the end is known. From then on nothing is accepted and nothing is delivered. */
  get closeReason(): CloseReason | undefined {
    return this.#reason;
  }

  /**
   * Set when no new operation is accepted and subscriptions deliver no more events: the connection has ended, or
   * closes after the replies in flight.
   */
  get closingFor(): CloseReason | undefined {
    return this.#reason ?? this.#gracefulClose?.reason;
  }

  /** Whether its token is no longer accepted although the session is live: no protected field may start. */
  get isRevoked(): boolean {
    return this.#gracefulClose?.isRevoked === true;
  }

  /** Calls the listener once at the end, or immediately after it. Returns a function that removes the listener. */
  onEnd(listener: EndListener): () => void {
    if (this.#isClosed && this.#reason !== undefined) {
      this.#call(listener, this.#reason);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends it. The first reason counts. Listeners are called after the replies of {@link closeAfter}. */
  end(reason: CloseReason): void {
    this.markClosed(reason);
    // A client that has left receives no reply.
    if (reason === "CLIENT_GONE") this.#stopWaiting();
    this.#closeUnlessWaiting();
  }

  /** Sets {@link closeReason} without calling the listeners, which takes longer; `end` must follow. */
  markClosed(reason: CloseReason): void {
    this.#reason ??= reason;
  }

  /** Whether replies are in flight. */
  get isReplying(): boolean {
    return this.#inFlight !== undefined && this.#inFlight.size > 0;
  }

  /** Marks a reply as in flight until {@link finishReply}. */
  beginReply(reply: object): void {
    (this.#inFlight ??= new Set()).add(reply);
  }

  /** Reports that a reply was sent, or never will be. Closes if the close waited for it. */
  finishReply(reply: object): void {
    clearTimeout(this.#awaited?.get(reply));
    if (this.#awaited?.delete(reply) === true) this.#closeUnlessWaiting();
    const wasInFlight = this.#inFlight?.delete(reply) === true;
    if (wasInFlight && this.#gracefulClose !== undefined && !this.isReplying)
      this.end(this.#gracefulClose.reason);
  }

  /**
   * Delays the listeners of any end until this reply is finished or the client has left.
   *
   * @param timeout milliseconds after which the close stops waiting
   * @default no time-out
   */
  closeAfter(reply: object, timeout?: number): void {
    const stopWaiting = () => {
      this.#awaited?.delete(reply);
      this.#closeUnlessWaiting();
    };
    const timer = timeout === undefined ? undefined : setTimeout(stopWaiting, timeout);
    (this.#awaited ??= new Map()).set(reply, timer);
  }

  /**
   * Ends it when no reply is in flight any more, or after {@link repliesTimeout}: graphql-ws's client repeats an
   * operation that got no reply, and a mutation would run twice. No new operation is accepted from now on. If it
   * ends for another reason meanwhile, that reason counts.
   *
   * @param isRevoked whether its token is no longer accepted
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

  /** Settles like the promise, or with the result of `onEnd` if the end comes first. */
  race<T>(promise: PromiseLike<T>, onEnd: (reason: CloseReason) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Not Promise.race, which would keep a reaction for every call until the end.
      const forget = this.onEnd((reason) => {
        try {
          resolve(onEnd(reason));
        } catch (error) {
          reject(error);
        }
      });
      promise.then(resolve, reject).then(forget, forget);
    });
  }

  #stopWaiting(): void {
    for (const timer of this.#awaited?.values() ?? []) clearTimeout(timer);
    this.#awaited = undefined;
  }

  #closeUnlessWaiting(): void {
    const isWaiting = this.#awaited !== undefined && this.#awaited.size > 0;
    if (this.#isClosed || this.#reason === undefined || isWaiting) return;
    this.#isClosed = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) this.#call(listener, this.#reason);
  }

  #call(listener: EndListener, reason: CloseReason): void {
    callSafely(
      () => listener(reason),
      (error) =>
        this.#reportError("a listener to the end of a connection or request failed", error),
    );
  }
}
