/** Keeps a Redis connection subscribed to its channels across reconnects. */
import { chunksOf } from "../../lib/in-batches.ts";
import { ignore, type RedisClient } from "./client.ts";

interface ChannelState {
  /** The number of the connection on which Redis acknowledged the subscription. */
  acknowledgedOn: number | undefined;
  waiting: PromiseWithResolvers<void> | undefined;
}

/** Channels per command. */
const channelsPerCommand = 1000;

/**
 * Sends changes while connected, and subscribes to all channels again on each new connection. So nothing is
 * queued while Redis is down, and channels that were left meanwhile are not subscribed again.
 */
export class Channels {
  readonly #client: RedisClient;
  readonly #channels = new Map<string, ChannelState>();
  /** Channels joined or left in this turn of the event loop, which are sent together. */
  readonly #changed = new Set<string>();
  readonly #onResubscribed: () => void;
  readonly #onError: (error: unknown) => void;
  /** Counts connections: an acknowledgement is valid only for the connection that it came on. */
  #connection = 0;

  /**
   * @param onResubscribed called when a new connection is subscribed to all channels again
   * @param onError receives the error when Redis refuses a channel
   */
  constructor(client: RedisClient, onResubscribed: () => void, onError: (error: unknown) => void) {
    this.#client = client;
    this.#onResubscribed = onResubscribed;
    this.#onError = onError;
    client.on("close", this.#disconnected).on("ready", this.#reconnected);
  }

  join(name: string): void {
    const channel = { acknowledgedOn: undefined, waiting: undefined };
    this.#channels.set(name, channel);
    this.#change(name);
  }

  leave(name: string): void {
    this.#channels.delete(name);
    this.#change(name);
  }

  /** Resolves when Redis has acknowledged the channel on the current connection, or else on a later one. */
  async joined(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    if (channel === undefined) throw new Error("Closed");
    if (channel.acknowledgedOn === this.#connection) return;
    channel.waiting ??= Promise.withResolvers();
    await channel.waiting.promise;
  }

  close(): void {
    this.#client.off("close", this.#disconnected).off("ready", this.#reconnected);
    for (const channel of this.#channels.values()) fail(channel, new Error("Closed"));
    this.#channels.clear();
  }

  #change(name: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#sendChanges());
    this.#changed.add(name);
  }

  #sendChanges(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    if (this.#client.status !== "ready") return;
    const left = changed.filter((name) => !this.#channels.has(name));
    for (const names of chunksOf(left, channelsPerCommand))
      this.#client.unsubscribe(...names).catch(ignore);
    const joined = changed.flatMap((name) => {
      const channel = this.#channels.get(name);
      return channel === undefined ? [] : [[name, channel] as const];
    });
    for (const channels of chunksOf(joined, channelsPerCommand)) void this.#subscribe(channels);
  }

  readonly #disconnected = (): void => {
    this.#connection++;
  };

  readonly #reconnected = (): void => void this.#resubscribe();

  async #resubscribe(): Promise<void> {
    const connection = this.#connection;
    const batches = chunksOf([...this.#channels], channelsPerCommand).map((batch) =>
      this.#subscribe(batch),
    );
    const acknowledged = (await Promise.all(batches)).every(Boolean);
    if (connection !== this.#connection) return;
    if (acknowledged) this.#onResubscribed();
    // Connected without subscriptions is the worst state: reconnecting tries again.
    else if (this.#client.status === "ready") this.#client.disconnect(true);
  }

  async #subscribe(channels: readonly (readonly [string, ChannelState])[]): Promise<boolean> {
    const connection = this.#connection;
    try {
      await this.#client.subscribe(...channels.map(([name]) => name));
    } catch (error) {
      // Otherwise the connection broke, and the next one brings the acknowledgement.
      if (error instanceof Error && error.name === "ReplyError") {
        for (const [, channel] of channels) fail(channel, error);
        this.#onError(error);
      }
      return false;
    }
    if (connection !== this.#connection) return false;
    for (const [, channel] of channels) {
      channel.acknowledgedOn = connection;
      channel.waiting?.resolve();
      channel.waiting = undefined;
    }
    return true;
  }
}

function fail(channel: ChannelState, error: Error): void {
  channel.waiting?.reject(error);
  channel.waiting = undefined;
}
