/** Ends running operations with their session: one mechanism for sockets, SSE streams and slow requests. */
import { isAsyncIterable, type Plugin } from "graphql-yoga";
import type { ExecutionArgs, ExecutionResult } from "graphql";
import type { Ending, Life } from "../session/life.ts";
import type { Caller, CurfewContext, Entry } from "./context.ts";
import { endingError, maskError } from "./errors.ts";

type Result = ExecutionResult | AsyncIterable<ExecutionResult>;
type Run = (args: ExecutionArgs) => Result | Promise<Result>;

/**
 * A request of its own that is answered sooner needs no place: the check when it began was enough. So
 * the many pay nothing for the few that are slow. Milliseconds.
 */
const slowRequest = 1_000;

export function useSessionEnd(): Plugin<CurfewContext> {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      const run: Run = executeFn;
      setExecuteFn((args) => execute(callerOf(args), () => run(args)));
    },
    onSubscribe({ subscribeFn, setSubscribeFn }) {
      const run: Run = subscribeFn;
      setSubscribeFn((args) => subscribe(callerOf(args), () => run(args)));
    },
  };
}

function callerOf({ contextValue }: ExecutionArgs): Caller {
  return (contextValue as CurfewContext).caller;
}

/** With its place first, and the source of events after: nothing can end unnoticed in between. */
async function subscribe(caller: Caller, run: () => Result | Promise<Result>): Promise<Result> {
  const entry = await caller.enter?.();
  if (entry === undefined) return run();
  if ("error" in entry) return { errors: [entry.error] };
  const { life, leave } = entry;
  if (life.ending !== undefined) {
    leave();
    return stopped(life.ending);
  }
  try {
    const starting = Promise.resolve(run());
    const result = await life.race(starting, stopped);
    if (isAsyncIterable(result)) return new EndableStream(result, life, leave);
    // Ended while it began: the stream that may still come has no reader.
    starting.then(abandon, () => {});
    leave();
    return result;
  } catch (error) {
    leave();
    throw error;
  }
}

function execute(caller: Caller, run: () => Result | Promise<Result>): Result | Promise<Result> {
  const { enter, life, isHeld } = caller;
  if (enter === undefined) return run();
  if (life === undefined) return executeRequest(enter, isHeld, run);
  if (life.ending !== undefined) return stopped(life.ending);
  const answer = Promise.resolve(run()).then((result) =>
    life.ending === undefined || isHeld?.() ? result : stopped(life.ending),
  );
  return life.race(answer, stopped);
}

function executeRequest(
  enter: () => Promise<Entry>,
  isHeld: Caller["isHeld"],
  run: () => Result | Promise<Result>,
): Result | Promise<Result> {
  const result = run();
  if (!(result instanceof Promise)) return result;
  return new Promise((resolve, reject) => {
    let leave = () => {};
    let finished = false;
    const finish = () => {
      finished = true;
      clearTimeout(timer);
      leave();
    };
    const stop = (error: Result) => {
      if (isHeld?.()) return;
      resolve(error);
      finish();
    };
    const timer = setTimeout(() => {
      if (isHeld?.()) return;
      enter().then((entry) => {
        if ("error" in entry) return stop({ errors: [entry.error] });
        leave = entry.leave;
        if (finished) leave();
        else entry.life.onEnd((ending) => stop(stopped(ending)));
      }, reject);
    }, slowRequest);
    result.then(resolve, reject).then(finish, finish);
  });
}

function stopped(ending: Ending): ExecutionResult {
  return { errors: [endingError(ending)] };
}

function abandon(result: Result): void {
  if (isAsyncIterable(result)) void release(result[Symbol.asyncIterator]());
}

/** Not awaited: a generator that waits for its next event does not return before it. */
async function release(source: AsyncIterator<ExecutionResult>): Promise<void> {
  try {
    await source.return?.();
  } catch {
    // It is gone either way.
  }
}

/** A subscription's events until its session ends; then one error, then no more. */
class EndableStream implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #source: AsyncIterator<ExecutionResult>;
  readonly #life: Life;
  readonly #leave: () => void;
  readonly #forget: () => void;
  #waiting: ((result: IteratorResult<ExecutionResult, undefined>) => void) | undefined;
  #last: ExecutionResult | undefined;
  #closed = false;

  constructor(source: AsyncIterable<ExecutionResult>, life: Life, leave: () => void) {
    this.#source = source[Symbol.asyncIterator]();
    this.#life = life;
    this.#leave = leave;
    this.#forget = life.onEnd((ending) => this.#end(ending));
  }

  next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        resolve(this.#final());
        return;
      }
      this.#waiting = resolve;
      this.#source.next().then(
        (result) => {
          // From the moment the end is known nothing is delivered; `#end` will answer.
          if (this.#life.ending !== undefined && !this.#closed) return;
          if (result.done === true) this.#close();
          this.#answer(result.done === true ? { done: true, value: undefined } : result);
        },
        (error: unknown) => {
          this.#waiting = undefined;
          this.#close();
          reject(maskError(error));
        },
      );
    });
  }

  return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#close();
    this.#last = undefined;
    this.#answer(this.#final());
    return Promise.resolve(this.#final());
  }

  throw(error: unknown): Promise<IteratorResult<ExecutionResult, undefined>> {
    void this.return();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #end(ending: Ending): void {
    this.#last = stopped(ending);
    this.#close();
    if (this.#waiting !== undefined) this.#answer(this.#final());
  }

  #answer(result: IteratorResult<ExecutionResult, undefined>): void {
    this.#waiting?.(result);
    this.#waiting = undefined;
  }

  #final(): IteratorResult<ExecutionResult, undefined> {
    const last = this.#last;
    this.#last = undefined;
    return last === undefined ? { done: true, value: undefined } : { done: false, value: last };
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    this.#leave();
    void release(this.#source);
  }
}
