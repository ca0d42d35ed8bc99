/** Ends many connections without holding up the event loop. */
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "./lifecycle.ts";

/** Closing a socket takes some 0.1 ms: as many as may be closed before others get their turn. */
const slice = 200;

export class CloseQueue {
  #waiting: ConnectionLifecycle[] = [];
  /** How many more may end in this turn of the event loop. */
  #left = slice;

  /** From the moment of the call none of them accepts or delivers anything; closing follows in slices. */
  close(connections: readonly ConnectionLifecycle[], ending: CloseReason): void {
    for (const lifecycle of connections) lifecycle.markClosed(ending);
    for (const lifecycle of connections) {
      if (this.#left > 0) this.#finish(lifecycle);
      else this.#waiting.push(lifecycle);
    }
  }

  #finish(lifecycle: ConnectionLifecycle): void {
    if (this.#left === slice) setImmediate(() => this.#turn());
    this.#left -= 1;
    if (lifecycle.closeReason !== undefined) lifecycle.end(lifecycle.closeReason);
  }

  #turn(): void {
    this.#left = slice;
    for (const lifecycle of this.#waiting.splice(0, slice)) this.#finish(lifecycle);
  }
}
