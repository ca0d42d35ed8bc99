/** A subscription's events until its life ends; then one error, then no more. */
import type { ExecutionResult } from "graphql";
import { isAsyncIterable } from "graphql-yoga";
import type { CloseReason } from "../../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "../../connections/lifecycle.ts";
import { endingError } from "../errors.ts";

export type Result = ExecutionResult | AsyncIterable<ExecutionResult>;

type Step = IteratorResult<ExecutionResult, undefined>;

export interface EndableStreamOptions {
  readonly lifecycle: ConnectionLifecycle;
  /** Whether it is the answer to a mutation, in parts: then it goes on while its life lets answers go out. */
  readonly isAnswer: boolean;
  /** What is made of an event, in one answer or in parts. */
  readonly answerTo: (event: unknown) => Result | Promise<Result>;
  /** What the client may see of an answer. */
  readonly masked: (answer: ExecutionResult) => ExecutionResult;
  /** The same of what the source throws. */
  readonly mask: (error: unknown) => unknown;
  /** Is told of what the source throws and the client may not see. */
  readonly onSourceFault: (error: unknown) => void;
  /** Called once, whoever closes it. */
  readonly onClose: () => void;
}

/** Ends although its source waits: an async generator in the middle of an `await` cannot be returned. */
export class EndableStream implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #source: AsyncIterator<unknown>;
  readonly #options: EndableStreamOptions;
  #forget = () => {};
  #waiting: PromiseWithResolvers<Step> | undefined;
  /** The answers to one event. */
  #parts: AsyncIterator<ExecutionResult> | undefined;
  #last: ExecutionResult | undefined;
  #closed = false;

  constructor(source: AsyncIterable<unknown>, options: EndableStreamOptions) {
    this.#source = source[Symbol.asyncIterator]();
    this.#options = options;
    this.#forget = options.lifecycle.onEnd((ending) => this.#end(ending));
  }

  next(): Promise<Step> {
    if (this.#closed) return Promise.resolve(this.#final());
    const waiting = Promise.withResolvers<Step>();
    this.#waiting = waiting;
    this.#read().then(
      (result) => {
        // From the moment when it closes nothing is delivered; `#end` answers.
        if (this.#closed || this.#isHeld) return;
        if (result !== undefined)
          return this.#answer({ done: false, value: this.#options.masked(result) });
        this.#close();
        this.#answer(this.#final());
      },
      (error: unknown) => {
        const shown = this.#options.mask(error);
        if (shown !== error) this.#options.onSourceFault(error);
        if (this.#closed || this.#isHeld) return;
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
    this.#answer(this.#final());
    return Promise.resolve(this.#final());
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

  get isAnswer(): boolean {
    return this.#options.isAnswer;
  }

  get #isHeld(): boolean {
    const { lifecycle, isAnswer } = this.#options;
    return (isAnswer ? lifecycle.closeReason : lifecycle.closingFor) !== undefined;
  }

  /** Undefined when no more will come. */
  async #read(): Promise<ExecutionResult | undefined> {
    for (;;) {
      const part = await this.#parts?.next();
      if (part?.done === false) return part.value;
      this.#parts = undefined;
      const event = await this.#source.next();
      if (event.done === true) return undefined;
      const result = await this.#options.answerTo(event.value);
      if (!isAsyncIterable(result)) return result;
      this.#parts = result[Symbol.asyncIterator]();
    }
  }

  #end(ending: CloseReason): void {
    this.#last = { errors: [endingError(ending)] };
    this.#close();
    if (this.#waiting !== undefined) this.#answer(this.#final());
  }

  #answer(step: Step): void {
    this.#waiting?.resolve(step);
    this.#waiting = undefined;
  }

  #final(): Step {
    const last = this.#last;
    this.#last = undefined;
    return last === undefined ? { done: true, value: undefined } : { done: false, value: last };
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    this.#options.onClose();
    if (this.#parts !== undefined) leave(this.#parts);
    leave(this.#source);
  }
}

/** Not awaited, since it may wait for the next event; and whatever comes of it, nobody reads it any more. */
export function leave(source: AsyncIterator<unknown>): void {
  // An app's source may break the rules of iterators.
  const leaving = async () => source.return?.();
  leaving().catch(() => {});
}
