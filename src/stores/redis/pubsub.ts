/** Pub/sub across nodes through Redis. */
import { RedisPubSub as GraphqlRedisPubSub } from "graphql-redis-subscriptions";
import { Cluster } from "ioredis";
import { callSafely } from "../../lib/report-error.ts";
import { timedOut, withTimeout } from "../../lib/timeout.ts";
import { StoreUnavailable } from "../../session/store.ts";
import type { Listener, PubSub, Unsubscribe } from "../../session/pubsub.ts";
import { channelNames, type ChannelOf } from "./channel-names.ts";
import { Channels } from "./channels.ts";
import { closeClient, type RedisClient } from "./client.ts";
import { publishingInOrder } from "./cluster.ts";

export interface RedisPubSubOptions {
  /** Owned by the caller, which may share it and closes it. */
  readonly publisher: RedisClient;
  /** Owned by the pub/sub: `close` closes it. */
  readonly subscriber: RedisClient;
  /** Names the channels. Default: the channels of database 0 */
  readonly channelOf?: ChannelOf;
  /** Receives what listeners throw, and Redis's refusals of subscriptions. */
  readonly onError: (error: unknown) => void;
  /**
   * How long `subscribe` waits for Redis to acknowledge a subscription (ms).
   *
   * @default 2000
   */
  readonly timeLimit?: number;
}

/**
 * graphql-redis-subscriptions, the package that GraphQL servers commonly use for this, publishes, parses
 * messages and dispatches them to the listeners of their channel.
 * Its subscription bookkeeping is replaced because a session that ends must not go unnoticed:
 * - a SUBSCRIBE or UNSUBSCRIBE that fails is an unhandled rejection, and a failed SUBSCRIBE stays in its
 *   maps. It talks to {@link Channels} instead, where neither fails and `subscribe` waits for the
 *   acknowledgement;
 * - a listener that unsubscribes or throws breaks its loop over the listeners. Here listeners are called
 *   after the loop, one by one;
 * - ioredis, which it leaves resubscribing to, does not report when all channels are subscribed again.
 */
export class RedisPubSub implements PubSub {
  readonly #pubsub: GraphqlRedisPubSub;
  readonly #channels: Channels;
  readonly #options: RedisPubSubOptions;
  readonly #channelOf: ChannelOf;
  readonly #gapListeners = new Set<() => void>();
  readonly #lossListeners = new Set<() => void>();

  constructor(options: RedisPubSubOptions) {
    const { publisher, subscriber, onError, channelOf = channelNames() } = options;
    this.#options = options;
    this.#channelOf = channelOf;
    this.#channels = new Channels(subscriber, () => this.reportMissedMessages(), onError);
    this.#pubsub = new GraphqlRedisPubSub({
      publisher: publisher instanceof Cluster ? publishingInOrder(publisher) : publisher,
      subscriber: channelsAs(subscriber, this.#channels),
    });
  }

  async subscribe(topic: string, listener: Listener): Promise<Unsubscribe> {
    let listening = true;
    const channel = this.#channelOf(topic);
    const id = await this.#pubsub.subscribe<unknown>(channel, (message) => {
      queueMicrotask(() => {
        if (listening) callSafely(() => listener(message), this.#options.onError);
      });
    });
    const leave = (): void => {
      if (listening) this.#pubsub.unsubscribe(id);
      listening = false;
    };
    try {
      await this.#acknowledged(channel);
      return leave;
    } catch (cause) {
      leave();
      throw new StoreUnavailable("Redis did not acknowledge a subscription", { cause });
    }
  }

  async #acknowledged(channel: string): Promise<void> {
    const { timeLimit = 2000 } = this.#options;
    if ((await withTimeout(this.#channels.joined(channel), timeLimit)) === timedOut)
      throw new Error(`No reply within ${timeLimit} ms`);
  }

  async publish(topic: string, message: unknown): Promise<void> {
    try {
      await this.#pubsub.publish(this.#channelOf(topic), message);
    } catch (cause) {
      throw new StoreUnavailable("Redis did not accept a message", { cause });
    }
  }

  async ping(): Promise<void> {
    try {
      await this.#options.subscriber.ping();
    } catch (cause) {
      throw new StoreUnavailable("The connection for subscriptions does not respond", { cause });
    }
  }

  onMessagesMissed(listener: () => void): Unsubscribe {
    const call = (): void => listener();
    this.#gapListeners.add(call);
    return () => this.#gapListeners.delete(call);
  }

  onPublishedLost(listener: () => void): Unsubscribe {
    const call = (): void => listener();
    this.#lossListeners.add(call);
    return () => this.#lossListeners.delete(call);
  }

  /** A master of a cluster is lost, perhaps before it passed the latest messages on to the other nodes of the cluster. */
  reportPublishedLost(): void {
    for (const call of this.#lossListeners) callSafely(call, this.#options.onError);
  }

  async close(): Promise<void> {
    this.#gapListeners.clear();
    this.#lossListeners.clear();
    this.#channels.close();
    await closeClient(this.#options.subscriber);
  }

  /** Reports that messages may have been lost. */
  reportMissedMessages(): void {
    for (const call of this.#gapListeners) callSafely(call, this.#options.onError);
  }
}

/** The connection as graphql-redis-subscriptions sees it: subscriptions go to the channels and succeed. */
function channelsAs(client: RedisClient, channels: Channels): RedisClient {
  const replaced = {
    subscribe(name: string, done: (error: null) => void): void {
      channels.join(name);
      done(null);
    },
    unsubscribe: (name: string): void => channels.leave(name),
    /** Called when any subscription ends, with or without a pattern. */
    punsubscribe(): void {},
  };
  return new Proxy(client, {
    get: (target, name): unknown =>
      Reflect.get(Object.hasOwn(replaced, name) ? replaced : target, name),
  });
}
