/** Delivers the events of one user's sessions to all subscribers, at a bounded rate. */
import { EventLog } from "./event-log.ts";
import { Stream, StreamOverflow } from "../lib/bounded-queue.ts";
import { TurnBudget, type Yield } from "../lib/yielding-queue.ts";
import type { SessionEvent } from "./session-event.ts";

/** Events that are delivered between two pauses. Executing a subscription for one takes about 0.1 ms. */
const eventsPerTurn = 20;

/**
 * Publishing takes the same time for one reader and for thousands: readers are woken in batches, with a
 * pause after each. A reader that is behind stores only its position in the shared log.
 */
export class EventDelivery {
  readonly #log = new EventLog();
  readonly #budget: TurnBudget;
  #size = 0;
  /** Readers with a pending read that have read everything. */
  #idle = new Set<EventReader>();
  /** Readers with a pending read and unread events, in the order in which they are served. */
  #ready: Set<EventReader>[] = [];

  /** @param pause how long other work goes first after a number of deliveries */
  constructor(pause: Yield) {
    this.#budget = new TurnBudget(eventsPerTurn, () => this.#deliver(), pause);
  }

  /** The number of readers. */
  get size(): number {
    return this.#size;
  }

  /**
   * Opens a reader of all events that are published from now on.
   *
   * @param onClose called once, when the reader returns or was too slow
   */
  open(onClose: () => void): EventReader {
    this.#size += 1;
    const reader = new EventReader(this, this.#log.end, () => {
      this.#size -= 1;
      reader.queue?.delete(reader);
      this.#clearIfRead();
      onClose();
    });
    return reader;
  }

  publish(event: SessionEvent): void {
    if (this.#size === 0) return;
    this.#log.append(event);
    if (this.#idle.size > 0) {
      this.#ready.push(this.#idle);
      this.#idle = new Set();
    }
    this.#deliver();
  }

  /** Registers a reader with a pending read. */
  wait(reader: EventReader): void {
    const isBehind = reader.position < this.#log.end;
    const queue = isBehind ? (this.#ready.at(-1) ?? this.#newBatch()) : this.#idle;
    reader.queue = queue.add(reader);
    if (isBehind) this.#deliver();
    else this.#clearIfRead();
  }

  #newBatch(): Set<EventReader> {
    const batch = new Set<EventReader>();
    this.#ready.push(batch);
    return batch;
  }

  #deliver(): void {
    for (let batch = this.#ready[0]; batch !== undefined && !this.#budget.isSpent;) {
      for (const reader of batch) {
        if (this.#budget.isSpent) break;
        this.#deliverTo(reader);
      }
      if (batch.size > 0) return;
      this.#ready.shift();
      batch = this.#ready[0];
    }
  }

  #deliverTo(reader: EventReader): void {
    reader.queue?.delete(reader);
    reader.queue = undefined;
    this.#budget.spend();
    const reading = this.#log.after(reader.position);
    if (reading === "overflow") reader.fail(new StreamOverflow("Too many events are unread."));
    else if (reading !== "end") {
      reader.position = reading.position;
      reader.push(reading.event);
    }
    // It may have several pending reads.
    if (reader.isWaiting) this.wait(reader);
  }

  #clearIfRead(): void {
    if (this.#idle.size === this.#size) this.#log.clear();
  }
}

export class EventReader extends Stream<SessionEvent> {
  readonly #delivery: EventDelivery;
  /** The position of the last event that it read. */
  position: number;
  /** The set that contains it while a read is pending. */
  queue: Set<EventReader> | undefined;

  constructor(delivery: EventDelivery, position: number, onClose: () => void) {
    super(onClose);
    this.#delivery = delivery;
    this.position = position;
  }

  override next(): Promise<IteratorResult<SessionEvent, undefined>> {
    const step = super.next();
    if (this.isWaiting && this.queue === undefined) this.#delivery.wait(this);
    return step;
  }
}
