/** Keeps the subscriber's connection subscribed to the channel of the probe. */
import type { Redis } from "ioredis";
import { ignore } from "./client.ts";
import { received, type ReceivedMark } from "./command-links.ts";
import { isReply } from "./reply-errors.ts";
import { refusalOf } from "./rights.ts";

export interface ProbeSubscriptionOptions {
  readonly subscriber: Redis;
  readonly channel: string;
  readonly onMessage: (text: string) => void;
  /** Redis has acknowledged the subscription, or refused it: on a new connection or again. */
  readonly onChange: (isNew: boolean) => void;
}

export class ProbeSubscription {
  readonly #options: ProbeSubscriptionOptions;
  /** Counts connections: an acknowledgement is valid only for the connection that it came on. */
  #connection = 0;
  #acknowledgedOn: number | undefined;
  #isPending = false;
  #refusal: string | undefined;

  constructor(options: ProbeSubscriptionOptions) {
    this.#options = options;
    const { subscriber } = options;
    subscriber
      .on("close", this.#disconnected)
      .on("ready", this.renew)
      .on("message", this.#received);
    this.renew();
  }

  /** The connection that is subscribed, or undefined if there is none. */
  get connection(): number | undefined {
    return this.#acknowledgedOn === this.#connection ? this.#connection : undefined;
  }

  /** Why Redis refused the subscription, if it did. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Subscribes unless the connection is subscribed. */
  readonly renew = (): void => {
    if (this.connection === undefined) void this.verify();
  };

  /** Subscribes again, to see whether Redis still allows it. A connection that is subscribed stays so. */
  async verify(): Promise<void> {
    const { subscriber, channel, onChange } = this.#options;
    if (this.#isPending || subscriber.status !== "ready") return;
    const connection = this.#connection;
    this.#isPending = true;
    const isNew = this.connection === undefined;
    try {
      await subscriber.subscribe(channel);
      if (connection !== this.#connection) return;
      this.#acknowledgedOn = connection;
      this.#refusal = undefined;
    } catch (error) {
      // Otherwise the connection broke, and the next one subscribes.
      if (!isReply(error) || connection !== this.#connection) return;
      this.#refusal = refusalOf("SUBSCRIBE to channels curfew:*", error).cause;
    } finally {
      if (connection === this.#connection) this.#isPending = false;
    }
    onChange(isNew);
  }

  close(): void {
    this.#options.subscriber
      .off("close", this.#disconnected)
      .off("ready", this.renew)
      .off("message", this.#received);
  }

  readonly #disconnected = (): void => {
    this.#connection += 1;
    this.#isPending = false;
  };

  readonly #received = (channel: string, text: string): void => {
    if (channel === this.#options.channel) this.#options.onMessage(text);
  };
}

export interface Ping {
  readonly mark: ReceivedMark;
  readonly isAnswered: boolean;
  /** Resolves with the answer, or if the connection is closed. */
  readonly answered: Promise<void>;
}

/** Shows that the subscriber's connection works, also while no message can be published. */
export function sendPing(subscriber: Redis): Ping {
  const mark = received(subscriber);
  const ping = { mark, isAnswered: false, answered: answer() };
  return ping;

  async function answer(): Promise<void> {
    await subscriber.ping().then(() => (ping.isAnswered = true), ignore);
  }
}
