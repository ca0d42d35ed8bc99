/** Closes many connections without blocking the event loop. */
import { YieldingQueue } from "../lib/yielding-queue.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { ConnectionLifecycle, RetryableReason } from "./lifecycle.ts";
import { isSlowRequest, type Connection } from "./session-connections.ts";

/** Connections closed per turn of the event loop. Closing a socket takes about 0.1 ms. */
const closesPerTurn = 200;

export interface CloseOptions {
  /** Whether their token is no longer accepted: then no protected field starts before the close. */
  readonly isRevoked?: boolean;
}

export class CloseQueue {
  readonly #queue = new YieldingQueue<ConnectionLifecycle>(closesPerTurn, (lifecycle) => {
    if (lifecycle.closeReason !== undefined) lifecycle.end(lifecycle.closeReason);
  });

  /** None of them accepts or delivers anything from now on; they close in batches. */
  close(
    connections: readonly ConnectionLifecycle[],
    reason: CloseReason,
    endReason?: EndReason,
  ): void {
    for (const lifecycle of connections) lifecycle.markClosed(reason, endReason);
    for (const lifecycle of connections) this.#queue.add(lifecycle);
  }

  /** Closes idle connections like `close`, and the others after their replies. */
  closeAfterReplies(
    connections: readonly Connection[],
    reason: RetryableReason,
    { isRevoked = false }: CloseOptions = {},
  ): void {
    const idle: ConnectionLifecycle[] = [];
    for (const connection of connections) {
      const { lifecycle } = connection;
      // A request's reply is in flight for as long as the request exists.
      if (lifecycle.isReplying || isSlowRequest(connection))
        lifecycle.closeAfterReplies(reason, isRevoked);
      else idle.push(lifecycle);
    }
    this.close(idle, reason);
  }
}
