/** A response stream that ends with its connection lifecycle: events, then one error, then the end of the stream. */
import type { ExecutionResult } from "graphql";
import { isAsyncIterable } from "graphql-yoga";
import type { CloseReason } from "../../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "../../connections/lifecycle.ts";

export type OperationResult = ExecutionResult | AsyncIterable<ExecutionResult>;

type Step = IteratorResult<ExecutionResult, undefined>;

export interface EndableStreamOptions {
  readonly lifecycle: ConnectionLifecycle;
  /** Returns the result that stands for the end of the lifecycle. Must not reject. */
  readonly stopped: (reason: CloseReason) => Promise<ExecutionResult>;
  /** Whether it is the incremental response of a mutation, which continues while the lifecycle lets replies finish. */
  readonly isMutation: boolean;
  /** Executes the subscription for one event of the source. The result may be incremental. */
  readonly resultOf: (event: unknown) => OperationResult | Promise<OperationResult>;
  /** Masks the errors of a result. */
  readonly masked: (result: ExecutionResult) => ExecutionResult;
  /** Masks an error that the source throws. */
  readonly mask: (error: unknown) => unknown;
  /** Receives errors of the source that were masked. */
  readonly onSourceError: (error: unknown) => void;
  /** Called once, when the stream closes for any reason. */
  readonly onClose: () => void;
}

/** Ends even if its source is pending: `return()` of an async generator waits for the generator's current `await`. */
export class EndableStream implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #source: AsyncIterator<unknown>;
  readonly #options: EndableStreamOptions;
  #removeListener = () => {};
  #waiting: PromiseWithResolvers<Step> | undefined;
  /** The incremental results of one event. */
  #parts: AsyncIterator<ExecutionResult> | undefined;
  #last: Promise<ExecutionResult> | undefined;
  #closed = false;

  constructor(source: AsyncIterable<unknown>, options: EndableStreamOptions) {
    this.#source = source[Symbol.asyncIterator]();
    this.#options = options;
    this.#removeListener = options.lifecycle.onEnd((reason) => this.#end(reason));
  }

  next(): Promise<Step> {
    if (this.#closed) return this.#final();
    const waiting = Promise.withResolvers<Step>();
    this.#waiting = waiting;
    this.#read().then(
      (result) => {
        // Once the lifecycle closes, results are dropped and `#end` settles the pending read.
        if (this.#closed || this.#isClosing) return;
        if (result !== undefined)
          return this.#settle({ done: false, value: this.#options.masked(result) });
        this.#close();
        this.#settle(this.#final());
      },
      (error: unknown) => {
        const shown = this.#options.mask(error);
        if (shown !== error) this.#options.onSourceError(error);
        if (this.#closed || this.#isClosing) return;
        this.#waiting = undefined;
        this.#close();
        waiting.reject(shown);
      },
    );
    return waiting.promise;
  }

  return(): Promise<Step> {
    this.#close();
    this.#last = undefined;
    this.#settle(this.#final());
    return this.#final();
  }

  throw(error: unknown): Promise<Step> {
    void this.return();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  get isMutation(): boolean {
    return this.#options.isMutation;
  }

  get #isClosing(): boolean {
    const { lifecycle, isMutation } = this.#options;
    return (isMutation ? lifecycle.closeReason : lifecycle.closingFor) !== undefined;
  }

  /** Returns the next result, or `undefined` at the end of the source. */
  async #read(): Promise<ExecutionResult | undefined> {
    for (;;) {
      const part = await this.#parts?.next();
      if (part?.done === false) return part.value;
      this.#parts = undefined;
      const event = await this.#source.next();
      if (event.done === true) return undefined;
      const result = await this.#options.resultOf(event.value);
      if (!isAsyncIterable(result)) return result;
      this.#parts = result[Symbol.asyncIterator]();
    }
  }

  #end(reason: CloseReason): void {
    this.#last = this.#options.stopped(reason);
    this.#close();
    if (this.#waiting !== undefined) this.#settle(this.#final());
  }

  #settle(step: Step | Promise<Step>): void {
    this.#waiting?.resolve(step);
    this.#waiting = undefined;
  }

  /** Returns the error that reports the end, the first time; then the end of the stream. */
  async #final(): Promise<Step> {
    const last = this.#last;
    this.#last = undefined;
    return last === undefined
      ? { done: true, value: undefined }
      : { done: false, value: await last };
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#removeListener();
    this.#options.onClose();
    if (this.#parts !== undefined) leave(this.#parts);
    leave(this.#source);
  }
}

/** Stops a source without waiting for it, because `return()` may wait for the next event. Ignores its errors. */
export function leave(source: AsyncIterator<unknown>): void {
  // An app's source may throw synchronously, against the iterator protocol.
  const leaving = async () => source.return?.();
  leaving().catch(() => {});
}
