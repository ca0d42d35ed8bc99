/** Whether a link to Redis can be used, and what to report when that changes. */

/** The connection for commands (in a cluster: those to all masters), or the one for subscriptions. */
export type LinkName = "commands" | "subscriber";

export interface LinkObserver {
  /** The link can be used, or no longer. Called at the start and at each change. */
  linkChanged(link: LinkName, isUp: boolean): void;
  /**
   * Reports why the link is lost. Called once for each loss, and again only if later attempts fail for another reason.
   *
   * @param cause without secrets
   */
  linkLost(link: LinkName, cause: string): void;
  /** @param duration how long the link was lost (ms) */
  linkReturned(link: LinkName, duration: number): void;
  /** Another store answers, which may have lost acknowledged changes. */
  storeReplaced(): void;
}

/** Why a link cannot be used. */
export interface Problem {
  /** Undefined while it is unknown. */
  readonly cause: string | undefined;
}

/** How many causes of one loss are reported. */
const maxCauses = 4;

/** How long a loss may have no known cause (ms). The next attempt to connect reveals it, unless it hangs. */
const causeTimeout = 2_000;

const closedByServer = "the connection was closed";

export class LinkState {
  readonly #link: LinkName;
  readonly #observer: LinkObserver;
  readonly #clock: () => number;
  readonly #causes = new Set<string>();
  #lostAt: number | undefined;

  /** @param clock milliseconds, monotonic */
  constructor(link: LinkName, observer: LinkObserver, clock: () => number) {
    this.#link = link;
    this.#observer = observer;
    this.#clock = clock;
  }

  get isUp(): boolean {
    return this.#lostAt === undefined;
  }

  /** @param problem undefined if the link can be used */
  update(problem: Problem | undefined): void {
    if (problem === undefined) this.#up();
    else this.#down(problem.cause);
  }

  #down(cause: string | undefined): void {
    const lostAt = (this.#lostAt ??= this.#begin());
    const isLate = this.#causes.size === 0 && this.#clock() - lostAt > causeTimeout;
    if (cause !== undefined) this.#report(cause);
    else if (isLate) this.#report(closedByServer);
  }

  #up(): void {
    if (this.#lostAt === undefined) return;
    if (this.#causes.size === 0) this.#report(closedByServer);
    const duration = this.#clock() - this.#lostAt;
    this.#lostAt = undefined;
    this.#causes.clear();
    this.#observer.linkReturned(this.#link, duration);
    this.#observer.linkChanged(this.#link, true);
  }

  #begin(): number {
    this.#observer.linkChanged(this.#link, false);
    return this.#clock();
  }

  #report(cause: string): void {
    if (this.#causes.has(cause) || this.#causes.size >= maxCauses) return;
    this.#causes.add(cause);
    this.#observer.linkLost(this.#link, cause);
  }
}
