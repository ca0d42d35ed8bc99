/** All deadlines of a node in one structure: setting, moving and cancelling cost the same for one and for a million. */

/** Granularity in milliseconds: a deadline is met at most this much, and one tick, late. Never early. */
const resolution = 250;

interface Deadline {
  readonly slot: number;
  readonly run: () => void;
}

export class Deadlines {
  readonly #slots = new Map<number, Set<Deadline>>();
  #next: number;

  constructor(now: number) {
    this.#next = slotOf(now);
  }

  /** Runs the callback at the first tick after that time; until the returned function is called. */
  set(time: number, run: () => void): () => void {
    const deadline = { slot: Math.max(slotOf(time), this.#next), run };
    const slot = this.#slots.get(deadline.slot) ?? new Set();
    this.#slots.set(deadline.slot, slot.add(deadline));
    return () => this.#cancel(deadline);
  }

  /** Runs whatever is due. */
  tick(now: number): void {
    while (this.#next * resolution <= now) {
      const due = this.#slots.get(this.#next);
      this.#slots.delete(this.#next);
      this.#next += 1;
      due?.forEach(({ run }) => run());
    }
  }

  get size(): number {
    return this.#slots.values().reduce((sum, slot) => sum + slot.size, 0);
  }

  #cancel(deadline: Deadline): void {
    const slot = this.#slots.get(deadline.slot);
    if (slot?.delete(deadline) && slot.size === 0) this.#slots.delete(deadline.slot);
  }
}

function slotOf(time: number): number {
  return Math.ceil(time / resolution);
}
