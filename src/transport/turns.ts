/** Lets so many do something at a time and so many wait for it, for the sake of whom they ask. */
import pLimit from "p-limit";

export class Turns {
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #room: number;

  constructor({ atOnce, waiting }: { readonly atOnce: number; readonly waiting: number }) {
    this.#limit = pLimit(atOnce);
    this.#room = atOnce + waiting;
  }

  /** Undefined when as many wait as may. */
  take<T>(work: () => Promise<T>): Promise<T> | undefined {
    const present = this.#limit.activeCount + this.#limit.pendingCount;
    return present < this.#room ? this.#limit(work) : undefined;
  }
}
