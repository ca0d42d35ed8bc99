/** Sockets that were told to close: their replies wait until all others that end now have been told. */
import type { WebSocket } from "ws";

/** Reading a reply and closing takes some 0.05 ms: as many as may be read before others get their turn. */
const slice = 100;
/**
 * Milliseconds from the first that was told, after which replies are read, a slice a turn, though others
 * are still being told. A reply that comes to be read too late costs nothing: its socket is cut, and was told.
 */
const patience = 500;

/**
 * To read a reply and close takes longer than to tell. Where very many sockets end at once, the last of
 * them would be told when nearly all of the others are gone, which takes three times as long.
 */
export class CloseHandshakes {
  #told: WebSocket[] = [];
  /** When the first of them was told, by `performance.now`. */
  #since = 0;
  /** One was told in this turn of the event loop. */
  #goesOn = false;

  /** Called when its close frame is sent. */
  add(ws: WebSocket): void {
    ws.pause();
    if (this.#told.length === 0) {
      this.#since = performance.now();
      setImmediate(() => this.#turn());
    }
    this.#told.push(ws);
    this.#goesOn = true;
  }

  #turn(): void {
    if (!this.#goesOn || performance.now() - this.#since > patience)
      for (const ws of this.#told.splice(0, slice)) ws.resume();
    this.#goesOn = false;
    if (this.#told.length > 0) setImmediate(() => this.#turn());
  }
}
