/** The recent events of one user's sessions, stored once for all subscribers. */
import type { SessionEvent } from "./session-event.ts";

interface Entry {
  readonly position: number;
  /** Undefined once a later renewal of the same session replaces it. */
  event: SessionEvent | undefined;
}

/** How many events a reader may be behind. */
const defaultLogCapacity = 1_000;

/** The result of a read after a position. */
export type Reading =
  | { readonly event: SessionEvent; readonly position: number }
  /** The reader has read everything. */
  | "end"
  /** The reader is so far behind that events it has not read are dropped. */
  | "overflow";

/**
 * Each reader stores only a position, so a reader that is behind takes no memory. A renewal replaces the
 * earlier one of the same session: readers that have not read the earlier one read only the later one.
 */
export class EventLog {
  readonly #capacity: number;
  #entries: Entry[] = [];
  readonly #renewals = new Map<string, Entry>();
  /** The number of entries without an event. */
  #empty = 0;
  #end = 0;
  /** The position of the last event that was dropped. */
  #dropped = 0;

  constructor(capacity: number = defaultLogCapacity) {
    this.#capacity = capacity;
  }

  /** The position of a reader that has read everything. */
  get end(): number {
    return this.#end;
  }

  append(event: SessionEvent): void {
    this.#end += 1;
    const entry: Entry = { position: this.#end, event };
    const { fingerprint } = event.session;
    if (event.type === "RENEWED") {
      const earlier = this.#renewals.get(fingerprint);
      if (earlier !== undefined) {
        earlier.event = undefined;
        this.#empty += 1;
      }
      this.#renewals.set(fingerprint, entry);
    }
    this.#entries.push(entry);
    if (this.#entries.length > 2 * this.#capacity) this.#compact();
    if (this.#entries.length - this.#empty > this.#capacity) this.#drop();
  }

  /** Returns the first event after the position. */
  after(position: number): Reading {
    if (position < this.#dropped) return "overflow";
    const entries = this.#entries;
    for (let index = this.#indexAfter(position); index < entries.length; index += 1) {
      const entry = entries[index];
      if (entry?.event !== undefined) return { event: entry.event, position: entry.position };
    }
    return "end";
  }

  /** Drops all events. Call it when all readers have read them. */
  clear(): void {
    if (this.#entries.length === 0) return;
    this.#entries = [];
    this.#renewals.clear();
    this.#empty = 0;
  }

  #indexAfter(position: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.position ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compact(): void {
    this.#entries = this.#entries.filter(({ event }) => event !== undefined);
    this.#empty = 0;
  }

  /** Drops the oldest event. */
  #drop(): void {
    this.#compact();
    const [oldest] = this.#entries.splice(0, 1);
    if (oldest?.event === undefined) return;
    this.#dropped = oldest.position;
    const { fingerprint } = oldest.event.session;
    if (this.#renewals.get(fingerprint) === oldest) this.#renewals.delete(fingerprint);
  }
}
