/** The recent ends of sessions that this node knows, whatever the store says: a failover may lose an end that it acknowledged. */
import type { EndReason } from "../protocol/end-reasons.ts";

/** The end of a session, without the session. */
export interface SessionEnd {
  readonly fingerprint: string;
  readonly reason: EndReason;
  /** Epoch milliseconds, by the clock of the node that ended it. */
  readonly at: number;
}

export interface RecentEndsOptions {
  /** How long an end is remembered (ms). */
  readonly window: number;
  /** How many ends are remembered. */
  readonly capacity: number;
  /** Monotonic clock (ms). */
  readonly uptime: () => number;
}

interface Remembered extends SessionEnd {
  /** By `uptime`. */
  readonly heardAt: number;
}

/** A session's id never comes back, so a remembered end stays true. */
export class RecentEnds {
  readonly #options: RecentEndsOptions;
  /** In the order in which they were heard. */
  readonly #ends = new Map<string, Remembered>();
  #forgottenEarly = 0;

  constructor(options: RecentEndsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** How many ends were forgotten before their window was over, because there were too many. */
  get forgottenEarly(): number {
    return this.#forgottenEarly;
  }

  /** Remembers an end. Of several ends of one session, the first is kept. Returns whether it was new. */
  add({ fingerprint, reason, at }: SessionEnd): boolean {
    this.#forget();
    if (this.#ends.has(fingerprint)) return false;
    const { capacity, uptime } = this.#options;
    this.#ends.set(fingerprint, { fingerprint, reason, at, heardAt: uptime() });
    if (this.#ends.size > capacity) {
      this.#dropOldest();
      this.#forgottenEarly += 1;
    }
    return true;
  }

  /** The end of a session, or undefined if it is not known to have ended. */
  get(fingerprint: string): SessionEnd | undefined {
    return this.#ends.get(fingerprint);
  }

  /** All remembered ends, newest first. */
  newestFirst(): readonly SessionEnd[] {
    this.#forget();
    return [...this.#ends.values()].toReversed();
  }

  /** Forgets the ends whose window is over. */
  #forget(): void {
    const { window, uptime } = this.#options;
    const limit = uptime() - window;
    for (const { heardAt } of this.#ends.values()) {
      if (heardAt > limit) return;
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined) this.#ends.delete(oldest);
  }
}
