/** All deadlines of a node in one structure: setting, moving and cancelling cost the same for one and for a million. */
import { callSafely, type ReportError } from "./report-error.ts";

/** Granularity in milliseconds: a deadline is met at most this much, and one tick, late. Never early. */
const resolution = 250;

interface Deadline {
  readonly run: () => void;
}

export class Deadlines {
  readonly #slots = new Map<number, Set<Deadline>>();
  readonly #reportError: ReportError;
  #next: number;

  /** @param onFault is told what callbacks throw: that stops no other */
  constructor(now: number, reportError: ReportError) {
    this.#next = slotOf(now);
    this.#reportError = reportError;
  }

  /** Runs the callback at the first tick after that time; until the returned function is called. */
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

  /** Runs whatever is due. */
  tick(now: number): void {
    const last = Math.floor(now / resolution);
    const due = this.#slotsUntil(last);
    // Also back, where the clock was set back: what is set from then on is due by the new time.
    this.#next = last + 1;
    for (const number of due) {
      const slot = this.#slots.get(number);
      this.#slots.delete(number);
      // What a run cancels in its own slot leaves the set, and so is not visited.
      slot?.forEach(({ run }) =>
        callSafely(run, (error) => this.#reportError("what was due at a deadline failed", error)),
      );
    }
  }

  get size(): number {
    return this.#slots.values().reduce((sum, slot) => sum + slot.size, 0);
  }

  /** In their order; counted through, unless the clock has leapt past more slots than are in use. */
  #slotsUntil(last: number): readonly number[] {
    const passed = last - this.#next + 1;
    if (passed <= this.#slots.size) return Array.from({ length: passed }, (_, i) => this.#next + i);
    return [...this.#slots.keys()].filter((number) => number <= last).toSorted((a, b) => a - b);
  }
}

function slotOf(time: number): number {
  return Math.ceil(time / resolution);
}
