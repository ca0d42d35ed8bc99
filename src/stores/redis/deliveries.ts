/** Publishes the messages of the probe, and recognises them when they arrive. */
import type { Redis } from "ioredis";
import { received, type ReceivedMark } from "./command-links.ts";
import { isReply } from "./reply-errors.ts";

/** More than all messages of the probe that can be in flight in the largest cluster. */
const maxExpected = 10_000;

/** One message of the probe. */
export interface Delivery {
  readonly link: Redis;
  /** The position in what the link had received before. */
  readonly mark: ReceivedMark;
  readonly isAcknowledged: boolean;
  readonly isHeard: boolean;
  /** Redis's refusal to publish it. */
  readonly refusal: Error | undefined;
  /** Resolves once the message is heard or refused. */
  readonly settled: Promise<void>;
}

export class Deliveries {
  readonly #channel: string;
  readonly #expected = new Map<string, () => void>();
  #count = 0;

  constructor(channel: string) {
    this.#channel = channel;
  }

  /** @param hears whether a subscriber should hear it; otherwise Redis's acknowledgement settles it */
  send(link: Redis, hears: boolean): Delivery {
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const delivery = {
      link,
      mark: received(link),
      isAcknowledged: false,
      isHeard: false,
      refusal: undefined as Error | undefined,
      settled,
    };
    const text = String(++this.#count);
    this.#expected.set(text, () => {
      delivery.isHeard = true;
      resolve();
    });
    link.publish(this.#channel, text).then(
      () => {
        delivery.isAcknowledged = true;
        if (!hears) resolve();
      },
      (error: unknown) => {
        // Any other error means that there was no answer in time.
        if (!isReply(error)) return;
        delivery.refusal = error;
        resolve();
      },
    );
    void settled.then(() => this.#expected.delete(text));
    // A message that is too late is of no use.
    if (this.#expected.size > maxExpected)
      for (const oldest of this.#expected.keys()) {
        this.#expected.delete(oldest);
        break;
      }
    return delivery;
  }

  hear(text: string): void {
    this.#expected.get(text)?.();
  }
}
