/** Rereads the sessions of all connections: what a lost message would have told is found out so. */
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import type { Connections } from "./connections.ts";
import { noObserver, type ConnectionObserver } from "./observer.ts";

export interface RecheckOptions {
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Milliseconds of a clock that nobody sets: a wall clock set back would put rechecks off by as much. */
  readonly uptime: () => number;
  /** Milliseconds from one recheck to the next. */
  readonly recheckInterval: number;
  /** Milliseconds that connections live on while the store cannot be asked. */
  readonly outageGrace: number;
  readonly reportError: ReportError;
  readonly observer?: ConnectionObserver;
  /** Called at each tick. */
  readonly look?: () => void;
}

/** How often the clock is looked at, in milliseconds. */
const tickInterval = 250;

/** The one timer of a node: it meets deadlines, rechecks, and gives up on a store that stays away. */
export class Recheck {
  readonly #options: RecheckOptions;
  readonly #timer: NodeJS.Timeout;
  #lastStart: number;
  /** Some sessions were not answered for when they were last asked for. */
  #failing = false;
  #running = false;
  #again = false;

  constructor(options: RecheckOptions) {
    this.#options = options;
    this.#lastStart = options.uptime();
    this.#timer = setInterval(() => this.tick(), tickInterval);
  }

  tick(): void {
    const { clock, uptime, deadlines, connections, recheckInterval, outageGrace, look } =
      this.#options;
    look?.();
    const now = uptime();
    deadlines.tick(clock());
    if (this.#failing) connections.closeUnverified(now - outageGrace);
    // After a failure it asks for those all the time: what was missed is found out as soon as the store
    // is back, and a connection that the store lets in again should not be ended.
    if (now - this.#lastStart >= recheckInterval) this.now();
    else if (this.#failing && !this.#running) void this.#run("unanswered");
  }

  /** Rechecks all sessions; if a recheck is under way, once more after it. */
  now(): void {
    this.#lastStart = this.#options.uptime();
    this.#again = this.#running;
    if (!this.#running) void this.#run("all");
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #run(whom: "all" | "unanswered"): Promise<void> {
    const {
      uptime,
      connections,
      recheckInterval,
      reportError,
      observer = noObserver,
    } = this.#options;
    const start = uptime();
    this.#running = true;
    const failure: unknown = await connections.recheck(whom).catch((error: unknown) => error);
    this.#running = false;
    this.#failing = failure !== undefined;
    if (this.#failing)
      reportError("the sessions of the connections could not be rechecked", failure);
    const took = uptime() - start;
    if (whom === "all") observer.rechecked(took, !this.#failing);
    if (took > recheckInterval) {
      const says = `${Math.round(took)} ms instead of ${recheckInterval}`;
      reportError("a recheck outlasts its interval", new Error(says));
    }
    if (this.#again) this.now();
  }
}
