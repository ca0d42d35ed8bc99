/** Topics within one process. */
import { callSafely } from "../../lib/report-error.ts";
import type { Listener, PubSub, Unsubscribe } from "../../session/pubsub.ts";

export class MemoryPubSub implements PubSub {
  readonly #pubsub = new Map<string, Set<Listener>>();
  readonly #gapListeners = new Set<() => void>();
  readonly #onError: (error: unknown) => void;

  /** @param onError is told what listeners throw */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  async subscribe(topic: string, listener: Listener): Promise<Unsubscribe> {
    // A function of its own for each subscription, so that one listener may have several.
    const deliver: Listener = (message) => listener(message);
    const members = this.#pubsub.get(topic) ?? new Set();
    this.#pubsub.set(topic, members.add(deliver));
    return () => {
      members.delete(deliver);
      if (members.size === 0 && this.#pubsub.get(topic) === members) this.#pubsub.delete(topic);
    };
  }

  async publish(topic: string, message: unknown): Promise<void> {
    const members = this.#pubsub.get(topic);
    if (members === undefined) return;
    const copy: unknown = JSON.parse(JSON.stringify(message));
    const present = [...members];
    queueMicrotask(() => {
      for (const deliver of present) {
        if (members.has(deliver)) callSafely(() => deliver(copy), this.#onError);
      }
    });
  }

  onMessagesMissed(listener: () => void): Unsubscribe {
    const tell = (): void => listener();
    this.#gapListeners.add(tell);
    return () => this.#gapListeners.delete(tell);
  }

  /** Nothing gets lost within a process; but another one may have done what it could not tell here. */
  reportMissedMessages(): void {
    for (const tell of this.#gapListeners) callSafely(tell, this.#onError);
  }

  async close(): Promise<void> {
    this.#gapListeners.clear();
    for (const members of this.#pubsub.values()) members.clear();
    this.#pubsub.clear();
  }
}
