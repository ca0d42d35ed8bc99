/** Limits concurrent and queued calls to a shared dependency, and serves the waiting clients round-robin. */

export interface ConcurrencyLimits {
  /** Calls that run concurrently. */
  readonly atOnce: number;
  /** Calls that wait, of all clients together. */
  readonly waiting: number;
  /**
   * Calls of one client that wait. A client is one whole path.
   *
   * @default `waiting`
   */
  readonly waitingEach?: number;
}

/**
 * Names a client from the widest group to the narrowest, for example `["2001:db8::/48", "ada"]`. At each
 * level, the groups with the same names before it are served round-robin.
 */
export type ClientPath = readonly string[];

/** Called with true to run the call, with false to refuse it. */
type Waiter = (granted: boolean) => void;

/** The waiting calls under one name. The map is in the order in which its shares are served. */
interface Share {
  readonly shares: Map<string, Share>;
  /** The calls of this path itself, oldest first. */
  readonly waiters: Waiter[];
  /** The number of calls in this share and in all shares below it. */
  waiting: number;
}

/** Terminates each path, so that a path may be a prefix of another. */
const end = "";

/**
 * A fair queue without priorities:
 *
 * - Clients are served round-robin at each level of their paths, and the calls of one client in their order.
 * - If the queue is full, a new call displaces the newest call of the client with the most waiting calls,
 *   provided that this client then still has at least as many as the new call's client. Otherwise the new
 *   call is refused.
 *
 * So each call of a client waits for at most one call of each other client, and no client or network can
 * lock others out by filling the queue.
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

  /** The number of waiting calls. */
  get waiting(): number {
    return this.#root.waiting;
  }

  /**
   * Runs `work` when it is the client's turn.
   *
   * @returns the result of `work`, or "busy" if the call was refused or displaced and `work` did not run
   */
  async run<T>(client: ClientPath, work: () => Promise<T>): Promise<T | "busy"> {
    if (this.#running < this.#atOnce) this.#running += 1;
    // Awaited and not called back: `work` runs in the async context of its own caller.
    else if (!(await this.#waitForTurn(client))) return "busy";
    try {
      return await work();
    } finally {
      this.#runNext();
    }
  }

  #waitForTurn(client: ClientPath): Promise<boolean> {
    const path = [...client, end];
    const waitingOfClient = findShare(this.#root, path)?.waiting ?? 0;
    if (waitingOfClient >= this.#maxWaitingEach) return Promise.resolve(false);
    if (this.#root.waiting >= this.#maxWaiting) {
      const displaced = displace(this.#root, path);
      if (displaced === undefined) return Promise.resolve(false);
      displaced(false);
    }
    return new Promise((resolve) => addWaiter(this.#root, path, resolve));
  }

  #runNext(): void {
    const next = this.#root.waiting > 0 ? takeNext(this.#root) : undefined;
    if (next === undefined) this.#running -= 1;
    else next(true);
  }
}

function createShare(): Share {
  return { shares: new Map(), waiters: [], waiting: 0 };
}

function findShare(root: Share, path: ClientPath): Share | undefined {
  let share: Share | undefined = root;
  for (const name of path) share = share?.shares.get(name);
  return share;
}

function addWaiter(root: Share, path: ClientPath, waiter: Waiter): void {
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

/** Removes the oldest call of the share whose turn it is, and puts that share last. */
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

/** Removes the newest call of the share with the most waiting calls. */
function takeNewest(share: Share): Waiter | undefined {
  share.waiting -= 1;
  const heaviest = heaviestOf(share);
  if (heaviest === undefined) return share.waiters.pop();
  const [name, child] = heaviest;
  const waiter = takeNewest(child);
  if (child.waiting === 0) share.shares.delete(name);
  return waiter;
}

/** Removes a call to make room for a new one on the path; undefined if none may be displaced. */
function displace(share: Share, [name, ...rest]: ClientPath): Waiter | undefined {
  if (name === undefined) return undefined;
  const next = share.shares.get(name);
  const most = heaviestOf(share)?.[1].waiting ?? 0;
  // The new call counts too: displacing must not merely swap two clients' positions.
  if (most > (next?.waiting ?? 0) + 1) return takeNewest(share);
  const waiter = next && displace(next, rest);
  if (waiter !== undefined) share.waiting -= 1;
  return waiter;
}

function heaviestOf({ shares }: Share): readonly [string, Share] | undefined {
  let heaviest: readonly [string, Share] | undefined;
  for (const entry of shares) if (entry[1].waiting > (heaviest?.[1].waiting ?? 0)) heaviest = entry;
  return heaviest;
}
