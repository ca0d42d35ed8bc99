/** Limits how much synchronous work is done before the event loop runs other work. */

/** Calls back later, after the event loop has run other work. */
export type Yield = (then: () => void) => void;

/** Units of work that may be done until the event loop has run other work. */
export class TurnBudget {
  readonly #perTurn: number;
  readonly #onRefill: () => void;
  readonly #yield: Yield;
  #left: number;

  /**
   * @param onRefill called when the whole budget is available again after some of it was spent
   * @param yieldTurn how long a turn is. Default: until `setImmediate` calls back.
   */
  constructor(perTurn: number, onRefill: () => void, yieldTurn: Yield = setImmediate) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
    this.#onRefill = onRefill;
    this.#yield = yieldTurn;
  }

  /** Whether the caller must wait for the next refill. */
  get isSpent(): boolean {
    return this.#left === 0;
  }

  /** Spends one unit. The first of a turn schedules the refill. */
  spend(): void {
    if (this.#left === this.#perTurn) this.#yield(() => this.#refill());
    this.#left -= 1;
  }

  #refill(): void {
    this.#left = this.#perTurn;
    this.#onRefill();
  }
}

/** Handles a limited number of items per turn of the event loop, in their order. */
export class YieldingQueue<Item> {
  readonly #perTurn: number;
  readonly #handle: (item: Item) => void;
  readonly #budget: TurnBudget;
  #waiting: Item[] = [];
  #isDraining = false;

  /** @param handle must not throw: the other items of the same turn would be lost */
  constructor(perTurn: number, handle: (item: Item) => void) {
    this.#perTurn = perTurn;
    this.#handle = handle;
    this.#budget = new TurnBudget(perTurn, () => this.#drain());
  }

  /** Handles the item at once if the budget of this turn allows it, else in a later turn. */
  add(item: Item): void {
    if (this.#isDraining || this.#waiting.length > 0 || this.#budget.isSpent)
      this.#waiting.push(item);
    else this.#handleNow(item);
  }

  #drain(): void {
    this.#isDraining = true;
    // Once per turn: taking items one by one from a very long array costs its length each time.
    for (const item of this.#waiting.splice(0, this.#perTurn)) this.#handleNow(item);
    this.#isDraining = false;
  }

  #handleNow(item: Item): void {
    this.#budget.spend();
    this.#handle(item);
  }
}
