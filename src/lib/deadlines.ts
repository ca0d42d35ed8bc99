/** Schedules callbacks in time slots: setting and cancelling a deadline takes constant time, for one as for a million. */
import { callSafely, type ReportError } from "./report-error.ts";

/** Slot length (ms). A callback runs at most one slot and one tick late, and never early. */
const resolution = 250;

interface Deadline {
  readonly run: () => void;
}

export class Deadlines {
  readonly #slots = new Map<number, Set<Deadline>>();
  readonly #reportError: ReportError;
  #next: number;

  /** @param reportError receives errors of callbacks. They do not stop other callbacks. */
  constructor(now: number, reportError: ReportError) {
    this.#next = slotOf(now);
    this.#reportError = reportError;
  }

  /** Runs the callback at the first tick after that time. Returns a function that cancels it. */
  set(time: number, run: () => void): () => void {
    const number = Math.max(slotOf(time), this.#next);
    const slot = this.#slots.get(number) ?? new Set();
    const deadline = { run };
    this.#slots.set(number, slot.add(deadline));
    return () => {
      slot.delete(deadline);
      if (slot.size === 0 && this.#slots.get(number) === slot) this.#slots.delete(number);
    };
  }

  /** Runs all callbacks that are due. */
  tick(now: number): void {
    const last = Math.floor(now / resolution);
    const due = this.#slotsUntil(last);
    // Moves backwards too, if the clock was set back: new deadlines are due by the new time.
    this.#next = last + 1;
    for (const number of due) {
      const slot = this.#slots.get(number);
      this.#slots.delete(number);
      // A callback may cancel others of its slot: `forEach` skips deleted elements.
      slot?.forEach(({ run }) =>
        callSafely(run, (error) => this.#reportError("a deadline's callback failed", error)),
      );
    }
  }

  get size(): number {
    return this.#slots.values().reduce((sum, slot) => sum + slot.size, 0);
  }

  /** Slot numbers in ascending order. If the clock jumped past more slots than are in use, it sorts those instead of counting. */
  #slotsUntil(last: number): readonly number[] {
    const passed = last - this.#next + 1;
    if (passed <= this.#slots.size) return Array.from({ length: passed }, (_, i) => this.#next + i);
    return [...this.#slots.keys()].filter((number) => number <= last).toSorted((a, b) => a - b);
  }
}

function slotOf(time: number): number {
  return Math.ceil(time / resolution);
}
