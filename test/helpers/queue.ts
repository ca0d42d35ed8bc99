/** A queue of events that a test awaits: it misses none and needs no sleeps. */
import { eventTimeout } from "./timeouts.ts";

export class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: PromiseWithResolvers<T>[] = [];

  push(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting.resolve(item);
  }

  /** Returns the next item; rejects if none arrives in time (ms). */
  async next(milliseconds = eventTimeout): Promise<T> {
    if (this.#items.length > 0) return this.#items.shift() as T;
    const waiting = Promise.withResolvers<T>();
    this.#waiting.push(waiting);
    const timer = setTimeout(() => waiting.reject(new Error("No item arrived.")), milliseconds);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Items that nothing has awaited yet. */
  get pending(): readonly T[] {
    return this.#items;
  }
}
