/** Attempts that are counted and not yet judged: what they take up in a count may be given back soon. */

export class AttemptsInFlight {
  readonly #byCount = new Map<string, number>();

  /** How many are in flight under that count. */
  of(count: string): number {
    return this.#byCount.get(count) ?? 0;
  }

  add(count: string): void {
    this.#byCount.set(count, this.of(count) + 1);
  }

  remove(count: string): void {
    const left = this.of(count) - 1;
    if (left > 0) this.#byCount.set(count, left);
    else this.#byCount.delete(count);
  }
}
