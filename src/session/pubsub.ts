/** The port that carries messages between nodes. */

export type Listener = (message: unknown) => void;
export type Unsubscribe = () => void;

/**
 * Messages by topic, at most once, to every listener on every node. A message is anything that JSON
 * can carry; listeners get it after that passage and do not share it with the sender.
 *
 * - A listener that throws disturbs neither the others nor the publisher.
 * - Messages may be lost when a link to the outside breaks; `onGap` tells afterwards, when all
 *   topics are subscribed again.
 */
export interface PubSub {
  /**
   * Resolves once every later message reaches the listener. Rejects with `StoreUnavailable` when that
   * cannot be had in time; then nothing is left behind.
   */
  subscribe(topic: string, listener: Listener): Promise<Unsubscribe>;
  /** Resolves when the message is handed on; rejects with `StoreUnavailable` when it may be lost. */
  publish(topic: string, message: unknown): Promise<void>;
  /** Calls back after each gap in which messages may have been lost. */
  onMessagesMissed(listener: () => void): Unsubscribe;
  /** Whether messages come in at present; for readiness. Rejects when not. Absent where they always do. */
  ping?(): Promise<void>;
  close(): Promise<void>;
}
