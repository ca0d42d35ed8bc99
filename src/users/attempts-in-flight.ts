/** Counts attempts in flight: they use up a limit, but may soon return their share of it. */

export class AttemptsInFlight {
  readonly #byCount = new Map<string, number>();

  /** The number of attempts in flight under that count. */
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
