/** Pub/sub within one process. */
import { callSafely } from "../../lib/report-error.ts";
import type { Listener, PubSub, Unsubscribe } from "../../session/pubsub.ts";

export class MemoryPubSub implements PubSub {
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #gapListeners = new Set<() => void>();
  readonly #onError: (error: unknown) => void;

  /** @param onError receives what listeners throw */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  async subscribe(topic: string, listener: Listener): Promise<Unsubscribe> {
    // A separate function for each subscription: the same listener may subscribe several times.
    const deliver: Listener = (message) => listener(message);
    const subscribed = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, subscribed.add(deliver));
    return () => {
      subscribed.delete(deliver);
      if (subscribed.size === 0 && this.#listeners.get(topic) === subscribed)
        this.#listeners.delete(topic);
    };
  }

  async publish(topic: string, message: unknown): Promise<void> {
    const subscribed = this.#listeners.get(topic);
    if (subscribed === undefined) return;
    const copy: unknown = JSON.parse(JSON.stringify(message));
    const recipients = [...subscribed];
    queueMicrotask(() => {
      for (const deliver of recipients) {
        if (subscribed.has(deliver)) callSafely(() => deliver(copy), this.#onError);
      }
    });
  }

  onMessagesMissed(listener: () => void): Unsubscribe {
    const call = (): void => listener();
    this.#gapListeners.add(call);
    return () => this.#gapListeners.delete(call);
  }

  /** For changes by another process, which cannot publish here. Within a process, no message is lost. */
  reportMissedMessages(): void {
    for (const call of this.#gapListeners) callSafely(call, this.#onError);
  }

  async close(): Promise<void> {
    this.#gapListeners.clear();
    for (const subscribed of this.#listeners.values()) subscribed.clear();
    this.#listeners.clear();
  }
}
