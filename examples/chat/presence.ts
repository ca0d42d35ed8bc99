/**
 * Tracks which people are in which room, on all nodes. Each node reports its own people to the others, at each
 * change and every few seconds. When a node dies, the others forget its people after a while.
 */
import { randomUUID } from "node:crypto";
import type { Events } from "curfew";
import type { Person } from "./schema.ts";

interface Report {
  readonly node: string;
  readonly people: readonly (Person & { readonly room: string })[];
}

const topic = "presence";
/** Milliseconds. */
const times = { betweenReports: 5_000, untilForgotten: 15_000 } as const;

export class Presence {
  readonly #node = randomUUID();
  readonly #visits = new Set<Visit>();
  readonly #nodes = new Map<
    string,
    { readonly people: Report["people"]; readonly until: number }
  >();
  #events: Events | undefined;
  #timer: NodeJS.Timeout | undefined;

  async open(events: Events): Promise<void> {
    this.#events = events;
    const reports = await events.subscribe<Report>(topic);
    const listen = async () => {
      for await (const report of reports) this.#receive(report);
    };
    listen().catch((error: unknown) => console.error("Presence has stopped:", error));
    this.#timer = setInterval(() => this.#report(), times.betweenReports);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * Adds a person to a room until the subscription ends. Returns the lists that `present` yields. The first list
   * comes with this node's own report.
   */
  enter(room: string, person: Person): Visit {
    const visit: Visit = new Visit({ ...person, room }, () => {
      this.#visits.delete(visit);
      this.#report();
    });
    this.#visits.add(visit);
    this.#report();
    return visit;
  }

  /** Publishes this node's people. The node receives its own reports too. */
  #report(): void {
    const people = [...this.#visits].map(({ person }) => person);
    // The next report replaces a lost one.
    this.#events?.publish(topic, { node: this.#node, people } satisfies Report).catch(() => {});
  }

  #receive({ node, people }: Report): void {
    const now = Date.now();
    this.#nodes.set(node, { people, until: now + times.untilForgotten });
    for (const [id, { until }] of this.#nodes) if (until < now) this.#nodes.delete(id);
    for (const visit of this.#visits) visit.show(this.#in(visit.person.room));
  }

  /** Returns each person once, however many tabs and devices they have. */
  #in(room: string): Person[] {
    const all = [...this.#nodes.values()].flatMap(({ people }) => people);
    const here = all.filter((person) => person.room === room);
    const byId = new Map(here.map(({ id, name }) => [id, { id, name }]));
    return [...byId.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }
}

/**
 * A subscription to a room. Yields only the newest list, so that nothing queues up for a slow client. It is not
 * an async generator: `return` cannot interrupt a generator that waits, so the person would stay in the room.
 */
class Visit implements AsyncIterableIterator<readonly Person[], undefined> {
  readonly person: Person & { readonly room: string };
  readonly #leave: () => void;
  #shown: readonly Person[] | undefined;
  #next: readonly Person[] | undefined;
  #left = false;
  #wake = () => {};

  constructor(person: Visit["person"], leave: () => void) {
    this.person = person;
    this.#leave = leave;
  }

  show(people: readonly Person[]): void {
    if (JSON.stringify(people) === JSON.stringify(this.#next ?? this.#shown)) return;
    this.#next = people;
    this.#wake();
  }

  async next(): Promise<IteratorResult<readonly Person[], undefined>> {
    while (this.#next === undefined && !this.#left)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#next === undefined || this.#left) return { done: true, value: undefined };
    this.#shown = this.#next;
    this.#next = undefined;
    return { done: false, value: this.#shown };
  }

  /** Called when the client unsubscribes, when its socket dies and when its session ends. */
  async return(): Promise<IteratorResult<readonly Person[], undefined>> {
    if (!this.#left) this.#leave();
    this.#left = true;
    this.#wake();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
