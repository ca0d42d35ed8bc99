/** The life of anything that runs under a session: it ends once, and whoever listens is told. */
import type { CloseReason } from "../protocol/close-reasons.ts";
import { callSafely, type ReportError } from "../lib/report-error.ts";

/** How long a socket may ignore its close frame before it is terminated (ms). */
export const closeTimeout = 1_000;

/** May be async: nobody waits for it. */
type Listener = (ending: CloseReason) => unknown;

export class ConnectionLifecycle {
  #ending: CloseReason | undefined;
  #told = false;
  #holds = 0;
  readonly #listeners = new Set<Listener>();
  /** Set on few lives, and for a short time. */
  #finishing: { readonly ending: CloseReason; readonly isRevoked: boolean } | undefined;
  /** Made when it is needed: most lives are of sockets on which nothing happens. */
  #answering: Set<object> | undefined;
  readonly #reportError: ReportError;

  /** @param onFault is told what listeners throw, apps' among them: that stops no other */
  constructor(reportError: ReportError) {
    this.#reportError = reportError;
  }

  /** Set from the moment the end is known: from then on nothing is accepted and nothing delivered. */
  get closeReason(): CloseReason | undefined {
    return this.#ending;
  }

  /**
   * Why it accepts nothing new and its subscriptions deliver nothing: it has ended, or ends as soon as its
   * running answers have gone out (see `finish`).
   */
  get closingFor(): CloseReason | undefined {
    return this.#ending ?? this.#finishing?.ending;
  }

  /** Its token is not accepted any more, although its session goes on: no guarded field may begin. */
  get isRevoked(): boolean {
    return this.#finishing?.isRevoked === true;
  }

  /** Calls back when it ends, or at once when it has; until the returned function is called. */
  onEnd(listener: Listener): () => void {
    if (this.#told && this.#ending !== undefined) {
      this.#call(listener, this.#ending);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends it; the first ending counts. */
  end(ending: CloseReason): void {
    this.markClosed(ending);
    // There is nobody left to answer to.
    if (ending === "CLIENT_GONE") this.#holds = 0;
    if (this.#holds === 0) this.#tell();
  }

  /** Makes the end known without telling the listeners yet, who cost more: see `end`. */
  markClosed(ending: CloseReason): void {
    this.#ending ??= ending;
  }

  /**
   * Lets running answers go out and then ends it so: at the last `answered`, or earlier by `end`. From the call on
   * it accepts nothing new and its subscriptions deliver nothing. The caller bounds the time. Another end that
   * comes meanwhile counts instead.
   */
  closeAfterAnswers(ending: CloseReason, isRevoked = false): void {
    this.#finishing = {
      ending: this.#finishing?.ending ?? ending,
      isRevoked: this.isRevoked || isRevoked,
    };
  }

  /** Something is being answered in it: a close that the server chooses lets that finish. */
  get isAnswering(): boolean {
    return this.#answering !== undefined && this.#answering.size > 0;
  }

  /** Begins to answer that, until `answered` is called for it. */
  beginAnswer(what: object): void {
    (this.#answering ??= new Set()).add(what);
  }

  finishAnswer(what: object): void {
    this.#answering?.delete(what);
    if (this.#finishing !== undefined && !this.isAnswering) this.end(this.#finishing.ending);
  }

  /** Lets an answer that itself causes the end go out first: listeners are told at `release`. */
  deferClose(): void {
    this.#holds += 1;
  }

  /** Undoes one `hold`. */
  flushClose(): void {
    this.#holds = Math.max(0, this.#holds - 1);
    if (this.#holds === 0 && this.#ending !== undefined) this.#tell();
  }

  /** What the promise gives, or what `onEnd` makes of an end that comes first. */
  race<T>(promise: PromiseLike<T>, onEnd: (ending: CloseReason) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Not Promise.race, which would keep a reaction for every call until this life ends.
      const forget = this.onEnd((ending) => {
        try {
          resolve(onEnd(ending));
        } catch (error) {
          reject(error);
        }
      });
      promise.then(resolve, reject).then(forget, forget);
    });
  }

  #tell(): void {
    if (this.#told || this.#ending === undefined) return;
    this.#told = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) this.#call(listener, this.#ending);
  }

  #call(listener: Listener, ending: CloseReason): void {
    callSafely(
      () => listener(ending),
      (error) =>
        this.#reportError("a listener to the end of a connection or request failed", error),
    );
  }
}
