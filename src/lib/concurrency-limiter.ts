/** Limits concurrent and queued calls to a shared dependency, and serves the clients that wait for it in turn. */

export interface ConcurrencyLimits {
  /** Calls that run at once. */
  readonly atOnce: number;
  /** Calls that wait, over all clients. */
  readonly waiting: number;
  /**
   * Calls that wait for one client, which is one whole path.
   *
   * @default `waiting`
   */
  readonly waitingEach?: number;
}

/**
 * Names a client from the widest group to the narrowest, for example `["2001:db8::/48", "ada"]`. At each
 * level, those that share the names before it take turns.
 */
export type ClientPath = readonly string[];

/** True gives the call its turn, false refuses it. */
type Waiter = (granted: boolean) => void;

/** The waiting calls under one name. A map's order is the order in which its shares are served. */
interface Share {
  readonly shares: Map<string, Share>;
  /** Of this path itself, the oldest first. */
  readonly waiters: Waiter[];
  /** In this share and in all shares below it. */
  waiting: number;
}

/** Ends each path, so that a path may be the beginning of another. */
const end = "";

/**
 * A fair queue without priorities:
 *
 * - Clients are served round-robin, at each level of their paths; the calls of one client in their order.
 * - When the queue is full, a new call displaces the newest call of the client that has the most waiting,
 *   if that client then still has at least as many waiting as the new call's. Otherwise the new call is
 *   refused.
 *
 * So a client with few calls waits for at most one call of each other client before each of its own, and
 * one client, or one network, cannot keep another out by filling the queue.
 */
export class ConcurrencyLimiter {
  readonly #atOnce: number;
  readonly #maxWaiting: number;
  readonly #maxWaitingEach: number;
  readonly #root = createShare();
  #running = 0;

  constructor({ atOnce, waiting, waitingEach = waiting }: ConcurrencyLimits) {
    this.#atOnce = atOnce;
    this.#maxWaiting = waiting;
    this.#maxWaitingEach = waitingEach;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#root.waiting;
  }

  /**
   * Runs `work` when it is the client's turn.
   *
   * @returns what `work` resolves to, or "busy" where it was refused or displaced and did not run
   */
  async run<T>(client: ClientPath, work: () => Promise<T>): Promise<T | "busy"> {
    if (this.#running < this.#atOnce) this.#running += 1;
    // Awaited here, and not called back: the work keeps the async context of its own caller.
    else if (!(await this.#turn(client))) return "busy";
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  #turn(client: ClientPath): Promise<boolean> {
    const path = [...client, end];
    const mine = find(this.#root, path)?.waiting ?? 0;
    if (mine >= this.#maxWaitingEach) return Promise.resolve(false);
    if (this.#root.waiting >= this.#maxWaiting) {
      const displaced = displace(this.#root, path);
      if (displaced === undefined) return Promise.resolve(false);
      displaced(false);
    }
    return new Promise((resolve) => add(this.#root, path, resolve));
  }

  #passOn(): void {
    const next = this.#root.waiting > 0 ? takeNext(this.#root) : undefined;
    if (next === undefined) this.#running -= 1;
    else next(true);
  }
}

function createShare(): Share {
  return { shares: new Map(), waiters: [], waiting: 0 };
}

function find(root: Share, path: ClientPath): Share | undefined {
  let share: Share | undefined = root;
  for (const name of path) share = share?.shares.get(name);
  return share;
}

function add(root: Share, path: ClientPath, waiter: Waiter): void {
  let share = root;
  share.waiting += 1;
  for (const name of path) {
    const next = share.shares.get(name) ?? createShare();
    share.shares.set(name, next);
    share = next;
    share.waiting += 1;
  }
  share.waiters.push(waiter);
}

/** Takes the oldest call of the share whose turn it is, which then comes last. */
function takeNext(share: Share): Waiter | undefined {
  share.waiting -= 1;
  for (const [name, first] of share.shares) {
    share.shares.delete(name);
    const waiter = takeNext(first);
    if (first.waiting > 0) share.shares.set(name, first);
    return waiter;
  }
  return share.waiters.shift();
}

/** Takes the newest call of the heaviest share. */
function takeNewest(share: Share): Waiter | undefined {
  share.waiting -= 1;
  const heaviest = heaviestOf(share);
  if (heaviest === undefined) return share.waiters.pop();
  const [name, child] = heaviest;
  const waiter = takeNewest(child);
  if (child.waiting === 0) share.shares.delete(name);
  return waiter;
}

/** Takes a call that has to make room for one on that path; undefined where there is none. */
function displace(share: Share, [name, ...rest]: ClientPath): Waiter | undefined {
  if (name === undefined) return undefined;
  const own = share.shares.get(name);
  const most = heaviestOf(share)?.[1].waiting ?? 0;
  // One more for the newcomer: nothing is displaced that would only trade places with it.
  if (most > (own?.waiting ?? 0) + 1) return takeNewest(share);
  const waiter = own && displace(own, rest);
  if (waiter !== undefined) share.waiting -= 1;
  return waiter;
}

function heaviestOf({ shares }: Share): readonly [string, Share] | undefined {
  let heaviest: readonly [string, Share] | undefined;
  for (const entry of shares) if (entry[1].waiting > (heaviest?.[1].waiting ?? 0)) heaviest = entry;
  return heaviest;
}
