/** Runs operations, and ends them with their session: one way for sockets, SSE streams and requests. */
import { execute, flattenIncrementalResults, isIncrementalResults } from "@graphql-tools/executor";
import {
  createSourceEventStream,
  getOperationAST,
  OperationTypeNode,
  type ExecutionArgs,
  type ExecutionResult,
} from "graphql";
import { isAsyncIterable, isPromise } from "graphql-yoga";
import type { OnFault } from "../session/fault.ts";
import type { Ending } from "../session/life.ts";
import type { Caller } from "./caller.ts";
import type { CurfewContext } from "./context.ts";
import { EndableStream, leave, type EndableStreamOptions, type Result } from "./endable-stream.ts";
import { endingError, maskError } from "./errors.ts";
import { unquoted } from "./quotations.ts";

/** Runs an operation in a `CurfewContext`; what the client may not see of its errors is masked. */
export type Run = (args: ExecutionArgs) => Promise<Result>;

/** An answer, or what there will be answers to: events, or answers themselves. */
type Begun = ExecutionResult | AsyncIterable<unknown>;
type Data = Record<string, unknown>;
type AnswerTo = EndableStreamOptions["answerTo"];

export interface RunOptions {
  /** Is told of each error that was masked. */
  readonly onMasked: (error: unknown) => void;
  readonly onFault: OnFault;
}

/**
 * A request that is answered sooner does not join its session: the check when it began was enough, and
 * the many pay nothing for the few that are slow. Milliseconds.
 */
const slowRequest = 1_000;

export function createRun({ onMasked, onFault }: RunOptions): Run {
  const onSourceFault = (error: unknown) => onFault("a subscription's source failed", error);

  function masked(result: ExecutionResult): ExecutionResult {
    if (result.errors === undefined) return result;
    // Without data nothing was executed: the errors are of the variables.
    const quoted = "data" in result ? result.errors : result.errors.map(unquoted);
    const errors = quoted.map((error) => {
      const shown = maskError(error);
      if (shown !== error) onMasked(error);
      return shown;
    });
    return { ...result, errors };
  }

  /** Delivers until the end comes, and never past it. */
  async function untilEnd(
    caller: Caller,
    begin: () => Begun | Promise<Begun>,
    answerTo: AnswerTo,
  ): Promise<Result> {
    const { life } = caller;
    if (life.ending !== undefined) return stopped(life.ending);
    const beginning = begin();
    const begun = isPromise(beginning) ? await life.race(beginning, stopped) : beginning;
    const isStream = isAsyncIterable(begun);
    if (isStream) await caller.join("stream");
    // The last word is an answer, not a stream: that would have nobody to end it.
    if (life.ending !== undefined && (!caller.hasLastWord || isStream)) {
      // A stream that has begun, or still may, has no reader.
      Promise.resolve(beginning).then(abandon, () => {});
      return stopped(life.ending);
    }
    if (!isStream) return masked(begun);
    const onClose = () => caller.done();
    return new EndableStream(begun, { life, answerTo, masked, onSourceFault, onClose });
  }

  async function untilDone(...[caller, begin, answerTo]: Parameters<typeof untilEnd>) {
    let result: Result | undefined;
    try {
      result = await untilEnd(caller, begin, answerTo);
      return result;
    } finally {
      if (!isAsyncIterable(result)) caller.done();
    }
  }

  async function request(caller: Caller, args: ExecutionArgs): Promise<Result> {
    const timer = setTimeout(() => {
      caller.join("slowRequest").catch((error: unknown) => {
        onFault("a slow request could not join its session", error);
        caller.life.end("UNAVAILABLE");
      });
    }, slowRequest);
    try {
      return await untilDone(caller, () => answer(args), asItIs);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Under its session first, and the source of events after: nothing can end unnoticed in between. */
  async function subscribe(caller: Caller, args: ExecutionArgs): Promise<Result> {
    await caller.join("stream");
    const answerTo: AnswerTo = (event) => answer({ ...args, rootValue: event });
    return untilDone(caller, () => sourceOf(args), answerTo);
  }

  async function sourceOf(args: ExecutionArgs): Promise<Begun> {
    try {
      return await createSourceEventStream(args);
    } catch (error) {
      // An app's resolver gave something that is no stream.
      onMasked(error);
      return { errors: [maskError(error)] };
    }
  }

  return (args) => {
    const { caller } = args.contextValue as CurfewContext;
    const kind = getOperationAST(args.document, args.operationName)?.operation;
    return kind === OperationTypeNode.SUBSCRIPTION
      ? subscribe(caller, args)
      : request(caller, args);
  };
}

function answer(args: ExecutionArgs): Result | Promise<Result> {
  const result = execute<Data>(args);
  return isPromise(result) ? result.then(wholeOrParts) : wholeOrParts(result);
}

function wholeOrParts(result: Awaited<ReturnType<typeof execute<Data>>>): Result {
  return isIncrementalResults(result) ? flattenIncrementalResults(result) : result;
}

/** Of a query whose answer comes in parts, the events are the parts. */
const asItIs: AnswerTo = (event) => event as ExecutionResult;

function stopped(ending: Ending): ExecutionResult {
  return { errors: [endingError(ending)] };
}

function abandon(begun: Begun): void {
  if (isAsyncIterable(begun)) leave(begun[Symbol.asyncIterator]());
}
