/** Runs tasks until each has succeeded: a bounded number at once, and with growing pauses after failures. */
import { nextTurn } from "./in-batches.ts";
import { withoutLogContext } from "./log-context.ts";
import { retryDelay, type RetryDelays } from "./retry-delay.ts";

export interface RetryLimits extends RetryDelays {
  /** Tasks that run at once. A task that pauses after a failure counts too, which bounds the attempts of an outage. */
  readonly atOnce: number;
}

export interface RetryQueueOptions extends RetryLimits {
  /** Calls back after that many milliseconds. */
  readonly wait: (milliseconds: number, then: () => void) => void;
  /** Returns a number from 0 to 1. */
  readonly random: () => number;
  /** Receives the first failure of an outage. The outage is over when every task that failed has succeeded or was removed. */
  readonly onOutage: (error: unknown) => void;
}

/** Rejects if it must run again. */
export type Task = () => Promise<void>;

export class RetryQueue {
  readonly #options: RetryQueueOptions;
  readonly #waiting = new Set<Task>();
  /** Tasks that run or pause. */
  readonly #active = new Set<Task>();
  /** Active tasks that run again. */
  readonly #again = new Set<Task>();
  readonly #failed = new Set<Task>();
  #workers = 0;
  #isClosed = false;

  constructor(options: RetryQueueOptions) {
    this.#options = options;
  }

  /** Runs the task from the beginning at least once after this call, unless it is removed. A task waits only once. */
  add(task: Task): void {
    if (this.#isClosed) return;
    if (this.#active.has(task)) {
      this.#again.add(task);
      return;
    }
    this.#waiting.add(task);
    if (this.#workers >= this.#options.atOnce) return;
    this.#workers += 1;
    void withoutLogContext(() => this.#work());
  }

  /** Does not run the task again. Do not add it afterwards. */
  remove(task: Task): void {
    for (const tasks of [this.#waiting, this.#active, this.#again, this.#failed])
      tasks.delete(task);
  }

  /** Removes all tasks and ignores new ones. */
  close(): void {
    this.#isClosed = true;
    for (const tasks of [this.#waiting, this.#active, this.#again, this.#failed]) tasks.clear();
  }

  async #work(): Promise<void> {
    let failures = 0;
    for (;;) {
      const [task] = this.#waiting;
      if (task === undefined) break;
      this.#waiting.delete(task);
      this.#active.add(task);
      failures = (await this.#succeeds(task)) ? 0 : failures + 1;
      if (failures === 0) await nextTurn();
      // Waits with its task: the other tasks have their turn first.
      else await this.#pause(failures);
      const isRemoved = !this.#active.delete(task);
      if (this.#again.delete(task) && !isRemoved) this.#waiting.add(task);
    }
    this.#workers -= 1;
  }

  async #succeeds(task: Task): Promise<boolean> {
    try {
      await task();
      this.#failed.delete(task);
      return true;
    } catch (error) {
      if (!this.#active.has(task)) return true;
      if (this.#failed.size === 0) this.#options.onOutage(error);
      this.#failed.add(task);
      this.#again.add(task);
      return false;
    }
  }

  #pause(failures: number): Promise<void> {
    const { random, wait } = this.#options;
    const delay = retryDelay(failures, this.#options, random);
    return new Promise((resolve) => wait(delay, resolve));
  }
}
