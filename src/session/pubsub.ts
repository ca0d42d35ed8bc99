/** The port that carries messages between nodes. */

export type Listener = (message: unknown) => void;
export type Unsubscribe = () => void;

/**
 * Delivers messages by topic, at most once, to every listener on every node. A message is any JSON value;
 * listeners receive a parsed copy and share nothing with the publisher.
 *
 * - A listener that throws affects neither the others nor the publisher.
 * - Messages may be lost while a connection is down. After it is back and all topics are subscribed again,
 *   `onMessagesMissed` reports it.
 */
export interface PubSub {
  /**
   * Resolves once every later message reaches the listener. Rejects with `StoreUnavailable` if that takes
   * too long; then nothing stays subscribed.
   */
  subscribe(topic: string, listener: Listener): Promise<Unsubscribe>;
  /** Resolves when the message is sent. Rejects with `StoreUnavailable` if it may be lost. */
  publish(topic: string, message: unknown): Promise<void>;
  /** Calls the listener after each period in which messages may have been lost. */
  onMessagesMissed(listener: () => void): Unsubscribe;
  /**
   * Calls the listener when messages that this node published in the last seconds may not have reached all nodes,
   * although they were sent: a part of the pub/sub that passes them on has failed. Absent if that never happens.
   */
  onPublishedLost?(listener: () => void): Unsubscribe;
  /**
   * Readiness: rejects if messages do not arrive at present. Absent if they always do, because the pub/sub is within
   * one process: then there are no other nodes to ask for the ends that they know.
   */
  ping?(): Promise<void>;
  close(): Promise<void>;
}
