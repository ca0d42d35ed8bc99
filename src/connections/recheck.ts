/** Reads the sessions of all connections at intervals, to find ends whose message was lost. */
import type { ReportError } from "../lib/report-error.ts";
import type { Deadlines } from "../lib/deadlines.ts";
import type { Connections } from "./connections.ts";
import { noObserver, type ConnectionObserver } from "./observer.ts";

export interface RecheckOptions {
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Monotonic clock (ms): a wall clock that is set back would delay rechecks by as much. */
  readonly uptime: () => number;
  /** Milliseconds from one recheck to the next. */
  readonly recheckInterval: number;
  /** How long connections stay open while the store is unavailable (ms). */
  readonly outageGrace: number;
  readonly reportError: ReportError;
  readonly observer?: ConnectionObserver;
  /** Called at each tick. */
  readonly look?: () => void;
}

const tickInterval = 250;

/** The one timer of a node: runs deadlines and rechecks, and closes connections after a long outage of the store. */
export class Recheck {
  readonly #options: RecheckOptions;
  readonly #timer: NodeJS.Timeout;
  #lastStart: number;
  /** Whether the last read left some sessions without an answer. */
  #isFailing = false;
  #isRunning = false;
  #runsAgain = false;

  constructor(options: RecheckOptions) {
    this.#options = options;
    this.#lastStart = options.uptime();
    this.#timer = setInterval(() => this.tick(), tickInterval);
  }

  tick(): void {
    const {
      clock,
      uptime,
      deadlines,
      connections,
      recheckInterval,
      outageGrace,
      look: onTick,
    } = this.#options;
    onTick?.();
    const now = uptime();
    deadlines.tick(clock());
    if (this.#isFailing) connections.closeUnverified(now - outageGrace);
    // After a failure it reads the unanswered sessions at every tick: missed ends are found as soon as the store
    // is back, and connections of sessions that it answers for are not closed.
    if (now - this.#lastStart >= recheckInterval) this.now();
    else if (this.#isFailing && !this.#isRunning) void this.#run("unanswered");
  }

  /** Rechecks all sessions; if a recheck is in progress, once more after it. */
  now(): void {
    this.#lastStart = this.#options.uptime();
    this.#runsAgain = this.#isRunning;
    if (!this.#isRunning) void this.#run("all");
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #run(scope: "all" | "unanswered"): Promise<void> {
    const {
      uptime,
      connections,
      recheckInterval,
      reportError,
      observer = noObserver,
    } = this.#options;
    const start = uptime();
    this.#isRunning = true;
    const failure: unknown = await connections.recheck(scope).catch((error: unknown) => error);
    this.#isRunning = false;
    this.#isFailing = failure !== undefined;
    if (this.#isFailing)
      reportError("the sessions of the connections could not be rechecked", failure);
    const duration = uptime() - start;
    if (scope === "all") observer.rechecked(duration, !this.#isFailing);
    if (duration > recheckInterval) {
      const message = `${Math.round(duration)} ms instead of ${recheckInterval}`;
      reportError("a recheck outlasts its interval", new Error(message));
    }
    if (this.#runsAgain) this.now();
  }
}
