/** The channels that a Redis connection is kept subscribed to, whenever it breaks. */
import { chunksOf } from "../../lib/in-batches.ts";
import { ignore, type RedisClient } from "./client.ts";

interface Channel {
  /** The link on which Redis acknowledged the subscription. */
  acknowledgedOn: number | undefined;
  waiting: PromiseWithResolvers<void> | undefined;
}

/** So many channels go into one command. */
const batchSize = 1000;

/**
 * Says what is wanted while there is a link, and says all of it again on each new one. So nothing
 * queues up while Redis is away, and what was left in the meantime is simply not asked for.
 */
export class Channels {
  readonly #client: RedisClient;
  readonly #channels = new Map<string, Channel>();
  /** Joined or left in this turn of the event loop: all of them go out together. */
  readonly #changed = new Set<string>();
  readonly #onReturn: () => void;
  readonly #onError: (error: unknown) => void;
  /** Counts the links: an acknowledgement died with the link it came on. */
  #link = 0;

  /**
   * @param onReturn is called when a new link has all channels again
   * @param onError is told when Redis refuses a channel
   */
  constructor(client: RedisClient, onReturn: () => void, onError: (error: unknown) => void) {
    this.#client = client;
    this.#onReturn = onReturn;
    this.#onError = onError;
    client.on("close", this.#lose).on("ready", this.#returned);
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

  /** Resolves when Redis has acknowledged the channel on the present link, or else on a later one. */
  async joined(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    if (channel === undefined) throw new Error("Closed");
    if (channel.acknowledgedOn === this.#link) return;
    channel.waiting ??= Promise.withResolvers();
    await channel.waiting.promise;
  }

  close(): void {
    this.#client.off("close", this.#lose).off("ready", this.#returned);
    for (const channel of this.#channels.values()) fail(channel, new Error("Closed"));
    this.#channels.clear();
  }

  #change(name: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#say());
    this.#changed.add(name);
  }

  #say(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    if (this.#client.status !== "ready") return;
    const left = changed.filter((name) => !this.#channels.has(name));
    for (const names of chunksOf(left, batchSize)) this.#client.unsubscribe(...names).catch(ignore);
    const joined = changed.flatMap((name) => {
      const channel = this.#channels.get(name);
      return channel === undefined ? [] : [[name, channel] as const];
    });
    for (const channels of chunksOf(joined, batchSize)) void this.#subscribe(channels);
  }

  readonly #lose = (): void => {
    this.#link++;
  };

  readonly #returned = (): void => void this.#restore();

  async #restore(): Promise<void> {
    const link = this.#link;
    const batches = chunksOf([...this.#channels], batchSize).map((some) => this.#subscribe(some));
    const acknowledged = (await Promise.all(batches)).every(Boolean);
    if (link !== this.#link) return;
    if (acknowledged) this.#onReturn();
    // Linked but deaf is the worst state; another link is another try.
    else if (this.#client.status === "ready") this.#client.disconnect(true);
  }

  async #subscribe(channels: readonly (readonly [string, Channel])[]): Promise<boolean> {
    const link = this.#link;
    try {
      await this.#client.subscribe(...channels.map(([name]) => name));
    } catch (error) {
      // Otherwise the link broke, and the next one brings the acknowledgement.
      if (error instanceof Error && error.name === "ReplyError") {
        for (const [, channel] of channels) fail(channel, error);
        this.#onError(error);
      }
      return false;
    }
    if (link !== this.#link) return false;
    for (const [, channel] of channels) {
      channel.acknowledgedOn = link;
      channel.waiting?.resolve();
      channel.waiting = undefined;
    }
    return true;
  }
}

function fail(channel: Channel, error: Error): void {
  channel.waiting?.reject(error);
  channel.waiting = undefined;
}
