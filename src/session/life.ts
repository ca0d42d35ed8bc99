/** The life of anything that runs under a session: it ends once, and whoever listens is told. */

/** Why a connection or an operation stops. */
export type Ending =
  /** Its session is over. */
  | "ENDED"
  /** Its access token ran out and no renewal came. */
  | "EXPIRED"
  /** The store cannot be reached, for too long. */
  | "UNAVAILABLE"
  /** The server is going away. */
  | "GOING_AWAY"
  /** Its reader is too slow. */
  | "TOO_SLOW";

export class Life {
  #ending: Ending | undefined;
  #told = false;
  #held = false;
  readonly #listeners = new Set<(ending: Ending) => void>();

  /** Set from the moment the end is known: from then on nothing is accepted and nothing delivered. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Calls back when it ends, or at once when it has; until the returned function is called. */
  onEnd(listener: (ending: Ending) => void): () => void {
    if (this.#told && this.#ending !== undefined) {
      listener(this.#ending);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends it; the first ending counts. */
  end(ending: Ending): void {
    this.condemn(ending);
    if (!this.#held) this.#tell();
  }

  /** Makes the end known without telling the listeners yet, who cost more: see `end`. */
  condemn(ending: Ending): void {
    this.#ending ??= ending;
  }

  /** Lets an answer that itself causes the end go out first: listeners are told at `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    if (this.#ending !== undefined) this.#tell();
  }

  /** What the promise gives, or what `onEnd` makes of an end that comes first. */
  race<T>(promise: PromiseLike<T>, onEnd: (ending: Ending) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Not Promise.race, which would keep a reaction for every call until this life ends.
      const forget = this.onEnd((ending) => resolve(onEnd(ending)));
      promise.then(resolve, reject).then(forget, forget);
    });
  }

  #tell(): void {
    if (this.#told || this.#ending === undefined) return;
    this.#told = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener(this.#ending);
  }
}
