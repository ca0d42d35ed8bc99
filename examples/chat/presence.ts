/**
 * Who is in which room, on all nodes. Each node tells the others of its own people, at each change and every
 * few seconds, so that the people of a node that dies are not there for ever.
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
      for await (const report of reports) this.#hear(report);
    };
    listen().catch((error: unknown) => console.error("Nobody is seen to come any more:", error));
    this.#timer = setInterval(() => this.#report(), times.betweenReports);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** What `present` yields to that person, who is in the room until the subscription ends. The first list
   * comes with the report that tells of it. */
  enter(room: string, person: Person): Visit {
    const visit: Visit = new Visit({ ...person, room }, () => {
      this.#visits.delete(visit);
      this.#report();
    });
    this.#visits.add(visit);
    this.#report();
    return visit;
  }

  /** This node hears its own reports as it hears those of the others. */
  #report(): void {
    const people = [...this.#visits].map(({ person }) => person);
    // One that is lost is made up for by the next.
    this.#events?.publish(topic, { node: this.#node, people } satisfies Report).catch(() => {});
  }

  #hear({ node, people }: Report): void {
    const now = Date.now();
    this.#nodes.set(node, { people, until: now + times.untilForgotten });
    for (const [id, { until }] of this.#nodes) if (until < now) this.#nodes.delete(id);
    for (const visit of this.#visits) visit.show(this.#in(visit.person.room));
  }

  /** Each once, however many tabs and devices somebody has. */
  #in(room: string): Person[] {
    const all = [...this.#nodes.values()].flatMap(({ people }) => people);
    const here = all.filter((person) => person.room === room);
    const byId = new Map(here.map(({ id, name }) => [id, { id, name }]));
    return [...byId.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }
}

/**
 * One subscription: yields the newest list that it did not yield yet, so that nothing queues up for a slow
 * reader. No async generator, since one that waits cannot be left: it would stay in the room.
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
