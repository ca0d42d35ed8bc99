/** Pub/sub for an app's resolvers: publish in a mutation, return a stream from a subscription. */
import { footprintOf } from "./execution/footprint.ts";
import { Stream } from "../lib/bounded-queue.ts";
import type { PubSub } from "../session/pubsub.ts";

/** Bytes of messages that may wait for a slow reader: as many as may wait for the client of a socket. */
const backlog = { most: 8 * 1024 * 1024, of: footprintOf };

export class Events {
  readonly #pubsub: PubSub;

  constructor(pubsub: PubSub) {
    this.#pubsub = pubsub;
  }

  /**
   * Publishes a message to all subscribers on all nodes. Delivery is at most once.
   *
   * @param payload a JSON value.
   * @throws {StoreUnavailable} if the message may be lost.
   */
  async publish(topic: string, payload: unknown): Promise<void> {
    await this.#pubsub.publish(appTopic(topic), payload);
  }

  /**
   * Subscribes to a topic, for a `subscribe` resolver. Resolves once the subscription receives every later message. A
   * stream whose reader is more than 1,000 messages or 8 MiB behind ends with the error code `TOO_SLOW`.
   *
   * @throws {StoreUnavailable} if the topic cannot be subscribed to.
   */
  async subscribe<T = unknown>(topic: string): Promise<Stream<T>> {
    const subscription = Promise.withResolvers<() => void>();
    const unsubscribe = () => {
      subscription.promise.then((stop) => stop()).catch(() => {});
    };
    const stream = new Stream<T>(unsubscribe, undefined, backlog);
    // The app's publishers and subscribers agree on the type of a topic's messages.
    const listener = (message: unknown) => stream.push(message as T);
    subscription.resolve(this.#pubsub.subscribe(appTopic(topic), listener));
    await subscription.promise;
    return stream;
  }
}

/** The prefix keeps apps out of the topics of sessions. */
function appTopic(topic: string): string {
  return `curfew:app:${topic}`;
}
