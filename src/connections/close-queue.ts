/** Ends many connections without holding up the event loop. */
import type { Ending, Life } from "./lifecycle.ts";

/** Closing a socket takes some 0.1 ms: as many as may be closed before others get their turn. */
const slice = 200;

export class Slices {
  #waiting: Life[] = [];
  /** How many more may end in this turn of the event loop. */
  #left = slice;

  /** From the moment of the call none of them accepts or delivers anything; closing follows in slices. */
  end(lives: readonly Life[], ending: Ending): void {
    for (const life of lives) life.condemn(ending);
    for (const life of lives) {
      if (this.#left > 0) this.#finish(life);
      else this.#waiting.push(life);
    }
  }

  #finish(life: Life): void {
    if (this.#left === slice) setImmediate(() => this.#turn());
    this.#left -= 1;
    if (life.ending !== undefined) life.end(life.ending);
  }

  #turn(): void {
    this.#left = slice;
    for (const life of this.#waiting.splice(0, slice)) this.#finish(life);
  }
}
