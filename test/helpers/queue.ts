/** A queue that a test awaits: no event is missed, and none is waited for by time. */
import { eventTimeout } from "./timeouts.ts";

export class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: PromiseWithResolvers<T>[] = [];

  push(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting.resolve(item);
  }

  /** The next item; rejects when none comes for so many milliseconds. */
  async next(milliseconds = eventTimeout): Promise<T> {
    if (this.#items.length > 0) return this.#items.shift() as T;
    const waiting = Promise.withResolvers<T>();
    this.#waiting.push(waiting);
    const timer = setTimeout(() => waiting.reject(new Error("Nothing came.")), milliseconds);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What came and was not awaited yet. */
  get pending(): readonly T[] {
    return this.#items;
  }
}
