/** Delays the second half of close handshakes until the close frames to all sockets that end now are sent. */
import type { WebSocket } from "ws";

/** Close frames of clients read per turn of the event loop. Reading one and closing takes about 0.05 ms. */
const readsPerTurn = 100;
/**
 * How long reading waits after the first close frame was sent, while further ones are still being sent (ms). If a
 * client's frame is read too late, its socket is terminated, which is harmless: the client has the close code.
 */
const maxPauseTime = 500;

/**
 * To read a close frame and close takes longer than to send one. Where very many sockets end at once, without this
 * delay the last client would receive its close frame when nearly all others are gone, which takes three times as
 * long.
 */
export class CloseHandshakes {
  #pausedSockets: WebSocket[] = [];
  /** When the close frame of the first paused socket was sent, by `performance.now`. */
  #firstSentAt = 0;
  #sentInThisTurn = false;

  /** To be called when the server's close frame is sent. */
  add(ws: WebSocket): void {
    ws.pause();
    if (this.#pausedSockets.length === 0) {
      this.#firstSentAt = performance.now();
      setImmediate(() => this.#onTurn());
    }
    this.#pausedSockets.push(ws);
    this.#sentInThisTurn = true;
  }

  #onTurn(): void {
    if (!this.#sentInThisTurn || performance.now() - this.#firstSentAt > maxPauseTime)
      for (const ws of this.#pausedSockets.splice(0, readsPerTurn)) ws.resume();
    this.#sentInThisTurn = false;
    if (this.#pausedSockets.length > 0) setImmediate(() => this.#onTurn());
  }
}
