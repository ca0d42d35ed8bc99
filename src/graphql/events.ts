/** The topic port as an app's resolvers use it: publish in a mutation, return a stream from a subscription. */
import { footprintOf } from "./execution/footprint.ts";
import { Stream } from "../lib/bounded-queue.ts";
import type { PubSub } from "../session/pubsub.ts";

/** As much as may wait for the client of a socket. */
const waiting = { most: 8 * 1024 * 1024, of: footprintOf };

export class Events {
  readonly #pubsub: PubSub;

  constructor(pubsub: PubSub) {
    this.#pubsub = pubsub;
  }

  /**
   * Sends to all subscribers on all nodes, at most once.
   *
   * @param payload anything that JSON can carry.
   * @throws StoreUnavailable when the message may be lost.
   */
  async publish(topic: string, payload: unknown): Promise<void> {
    await this.#pubsub.publish(appTopic(topic), payload);
  }

  /**
   * For a subscription's `subscribe` resolver. Resolves once nothing published later is missed. A reader
   * that falls more than 1,000 messages, or 8 MiB of them, behind is ended with the error code `TOO_SLOW`.
   *
   * @throws StoreUnavailable when the topic cannot be subscribed to.
   */
  async subscribe<T = unknown>(topic: string): Promise<Stream<T>> {
    const subscription = Promise.withResolvers<() => void>();
    const leave = () => {
      subscription.promise.then((unsubscribe) => unsubscribe()).catch(() => {});
    };
    const stream = new Stream<T>(leave, undefined, waiting);
    // What a topic carries is between the app's own publisher and subscriber.
    const listener = (message: unknown) => stream.push(message as T);
    subscription.resolve(this.#pubsub.subscribe(appTopic(topic), listener));
    await subscription.promise;
    return stream;
  }
}

/** Apart from the topics of sessions, on which no app can speak. */
function appTopic(topic: string): string {
  return `curfew:app:${topic}`;
}
