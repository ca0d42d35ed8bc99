/** Topics across machines: graphql-redis-subscriptions, on a connection that cannot let it down. */
import { RedisPubSub as GraphqlRedisPubSub } from "graphql-redis-subscriptions";
import { Cluster } from "ioredis";
import { callSafely } from "../../lib/report-error.ts";
import { timedOut, withTimeout } from "../../lib/timeout.ts";
import { StoreUnavailable } from "../../session/store.ts";
import type { Listener, PubSub, Unsubscribe } from "../../session/pubsub.ts";
import { Channels } from "./channels.ts";
import { closeClient, type RedisClient } from "./client.ts";
import { publishingInOrder } from "./cluster.ts";

export interface RedisPubSubOptions {
  /** Stays its opener's, to share and to close. */
  readonly publisher: RedisClient;
  /** Taken over: `close` closes it. */
  readonly subscriber: RedisClient;
  /** Is told what listeners throw, and when Redis refuses a subscription. */
  readonly onError: (error: unknown) => void;
  /**
   * For the acknowledgement of a subscription, in milliseconds.
   *
   * @default 2000
   */
  readonly timeLimit?: number;
}

/**
 * RedisPubSub publishes, reads messages, hands them to the listeners of their channel and counts
 * these. Four of its faults are kept out:
 * - a SUBSCRIBE that fails is an unhandled rejection and leaves its maps filled, and
 * - an UNSUBSCRIBE that fails is an unhandled rejection: it talks to {@link Channels}, where nothing
 *   fails, and who subscribes waits there for the acknowledgement;
 * - a listener that unsubscribes breaks the loop over the listeners, and
 * - a listener that throws ends it: they are called after the loop, one by one.
 */
export class RedisPubSub implements PubSub {
  readonly #pubsub: GraphqlRedisPubSub;
  readonly #channels: Channels;
  readonly #options: RedisPubSubOptions;
  readonly #gapListeners = new Set<() => void>();

  constructor(options: RedisPubSubOptions) {
    const { publisher, subscriber, onError } = options;
    this.#options = options;
    this.#channels = new Channels(subscriber, () => this.#tellOfGap(), onError);
    this.#pubsub = new GraphqlRedisPubSub({
      publisher: publisher instanceof Cluster ? publishingInOrder(publisher) : publisher,
      subscriber: channelsAs(subscriber, this.#channels),
    });
  }

  async subscribe(topic: string, listener: Listener): Promise<Unsubscribe> {
    let listening = true;
    const id = await this.#pubsub.subscribe<unknown>(topic, (message) => {
      queueMicrotask(() => {
        if (listening) callSafely(() => listener(message), this.#options.onError);
      });
    });
    const leave = (): void => {
      if (listening) this.#pubsub.unsubscribe(id);
      listening = false;
    };
    try {
      await this.#acknowledged(topic);
      return leave;
    } catch (cause) {
      leave();
      throw new StoreUnavailable("Redis did not acknowledge a subscription", { cause });
    }
  }

  async #acknowledged(topic: string): Promise<void> {
    const { timeLimit = 2000 } = this.#options;
    if ((await withTimeout(this.#channels.joined(topic), timeLimit)) === timedOut)
      throw new Error(`Not within ${timeLimit} ms`);
  }

  async publish(topic: string, message: unknown): Promise<void> {
    try {
      await this.#pubsub.publish(topic, message);
    } catch (cause) {
      throw new StoreUnavailable("Redis did not take a message", { cause });
    }
  }

  async ping(): Promise<void> {
    try {
      await this.#options.subscriber.ping();
    } catch (cause) {
      throw new StoreUnavailable("Redis sends no messages", { cause });
    }
  }

  onMessagesMissed(listener: () => void): Unsubscribe {
    const tell = (): void => listener();
    this.#gapListeners.add(tell);
    return () => this.#gapListeners.delete(tell);
  }

  async close(): Promise<void> {
    this.#gapListeners.clear();
    this.#channels.close();
    await closeClient(this.#options.subscriber);
  }

  #tellOfGap(): void {
    for (const tell of this.#gapListeners) callSafely(tell, this.#options.onError);
  }
}

/** The connection as RedisPubSub gets to see it: subscriptions go to the channels and succeed. */
function channelsAs(client: RedisClient, channels: Channels): RedisClient {
  const replaced = {
    subscribe(name: string, done: (error: null) => void): void {
      channels.join(name);
      done(null);
    },
    unsubscribe: (name: string): void => channels.leave(name),
    /** It asks for this at each end of a subscription, whether or not there was a pattern. */
    punsubscribe(): void {},
  };
  return new Proxy(client, {
    get: (target, name): unknown =>
      Reflect.get(Object.hasOwn(replaced, name) ? replaced : target, name),
  });
}
