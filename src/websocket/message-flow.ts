/** Counts the messages of one socket, and slows down a client that sends very many of them. */

/** As much of a WebSocket as can be read or not. */
export interface Readable {
  pause(): void;
  resume(): void;
}

/**
 * Messages. More before the acknowledgement close the socket: a stranger could keep the node busy with them for
 * as long as a socket may wait to sign in.
 */
const mostBeforeAcknowledgement = 100;
/** Messages. A socket that sends more in a second is not read for the next one. */
const mostPerSecond = 2_000;
/** Milliseconds. */
const second = 1_000;

export class MessageFlow {
  readonly #ws: Readable;
  #messages = 0;
  /** When the count began, by `performance.now`. */
  #since = performance.now();
  /** Set while the socket is not read. */
  #slowed: NodeJS.Timeout | undefined;

  constructor(ws: Readable) {
    this.#ws = ws;
  }

  /**
   * Counts one from a client that is not acknowledged.
   *
   * @returns false where there were too many
   */
  takeFirst(): boolean {
    this.#messages += 1;
    return this.#messages <= mostBeforeAcknowledgement;
  }

  /** Counts one from a client that is acknowledged. Messages that were already read are still processed. */
  take(): void {
    this.#messages += 1;
    if (this.#messages <= mostPerSecond || this.#slowed !== undefined) return;
    const now = performance.now();
    if (now - this.#since < second) this.#slowDown();
    this.#messages = 0;
    this.#since = now;
  }

  /** Counts one that came after the socket was closed: a client that goes on sending is not read any more. */
  takeLate(): void {
    this.#messages += 1;
    if (this.#messages > mostBeforeAcknowledgement) this.#ws.pause();
  }

  stop(): void {
    clearTimeout(this.#slowed);
  }

  #slowDown(): void {
    this.#ws.pause();
    this.#slowed = setTimeout(() => {
      this.#slowed = undefined;
      this.#messages = 0;
      this.#since = performance.now();
      this.#ws.resume();
    }, second);
  }
}
