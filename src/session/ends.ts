/** The recent ends of sessions that this node knows, whatever the store says: a failover may lose an end that it acknowledged. */
import type { EndReason } from "../protocol/end-reasons.ts";

/** The end of a session, without the session. */
export interface SessionEnd {
  readonly fingerprint: string;
  readonly reason: EndReason;
  /** Epoch milliseconds, by the clock of the node that ended it. */
  readonly at: number;
}

/** An end as a message reports it. Nodes of earlier versions do not send its time. */
export type ReportedEnd = Pick<SessionEnd, "fingerprint" | "reason"> & Partial<SessionEnd>;

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
  readonly #ends = new Map<string, Remembered>();
  /**
   * The ends in the order in which they were heard; those before `#first` are forgotten. The map has the same order,
   * but the search for its first entry passes over all entries that were deleted.
   */
  readonly #order: Remembered[] = [];
  #first = 0;
  #forgottenEarly = 0;

  constructor(options: RecentEndsOptions) {
    this.#options = options;
  }

  get size(): number {
    this.#forget();
    return this.#ends.size;
  }

  /** How many ends were forgotten before their window was over, because there were too many. */
  get forgottenEarly(): number {
    return this.#forgottenEarly;
  }

  /** Remembers an end. Of several ends of one session, the first is kept. Returns whether it was new. */
  add({ fingerprint, reason, at }: SessionEnd): boolean {
    if (this.get(fingerprint) !== undefined) return false;
    const { capacity, uptime } = this.#options;
    const end = { fingerprint, reason, at, heardAt: uptime() };
    this.#ends.set(fingerprint, end);
    this.#order.push(end);
    if (this.#ends.size > capacity) {
      this.#dropOldest();
      this.#forgottenEarly += 1;
    }
    return true;
  }

  /** The end of a session, or undefined if it is not known to have ended. */
  get(fingerprint: string): SessionEnd | undefined {
    this.#forget();
    return this.#ends.get(fingerprint);
  }

  /** All remembered ends, newest first. */
  newestFirst(): readonly SessionEnd[] {
    this.#forget();
    return this.#order.slice(this.#first).toReversed();
  }

  /** Forgets the ends whose window is over. */
  #forget(): void {
    const { window, uptime } = this.#options;
    const limit = uptime() - window;
    while ((this.#order[this.#first]?.heardAt ?? Infinity) <= limit) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#order[this.#first];
    if (oldest === undefined) return;
    this.#ends.delete(oldest.fingerprint);
    this.#first += 1;
    // Rarely, so that the cost of a drop is constant on average.
    if (this.#first * 2 <= this.#order.length) return;
    this.#order.splice(0, this.#first);
    this.#first = 0;
  }
}
