/** Runs operations, and ends them with their session: one way for sockets, SSE streams and requests. */
import { execute, flattenIncrementalResults, isIncrementalResults } from "@graphql-tools/executor";
import * as graphql from "graphql";
import {
  getOperationAST,
  OperationTypeNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
} from "graphql";
import { isAsyncIterable, isPromise } from "graphql-yoga";
import type { OnFault } from "../session/fault.ts";
import type { Ending } from "../session/life.ts";
import type { Caller } from "./caller.ts";
import type { CurfewContext } from "./context.ts";
import { EndableStream, leave, type EndableStreamOptions, type Result } from "./endable-stream.ts";
import { endingError } from "./errors.ts";
import { unquoted } from "./quotations.ts";

/** Executes or subscribes, as the plugins of a Yoga have it. */
export type Execute = (args: ExecutionArgs) => unknown;

/**
 * Runs an operation in a `CurfewContext`, by what is given for that or else by the executor; what the client
 * may not see of its errors is masked. What is given runs between plugins: when all of that is done, the
 * outermost says.
 */
export type Run = (args: ExecutionArgs, by?: Execute) => Promise<Result>;

/** An answer, or what there will be answers to: events, or answers themselves. */
type Begun = ExecutionResult | AsyncIterable<unknown>;
type Data = Record<string, unknown>;

interface WithErrors {
  readonly errors?: readonly GraphQLError[];
}

/** What there is beside `data` where an answer is deferred or streamed. */
interface InParts {
  readonly incremental?: readonly WithErrors[];
  readonly completed?: readonly WithErrors[];
}

interface Operation {
  readonly caller: Caller;
  readonly begin: () => Begun | Promise<Begun>;
  readonly answerTo: EndableStreamOptions["answerTo"];
  /** Whether what lasts of it is an answer in parts that must not be asked for twice. */
  readonly isAnswer: boolean;
  /** Called when it was answered, or its stream is closed. */
  readonly onDone: () => void;
}

export interface RunOptions {
  /** What is shown of an error. */
  readonly mask: (error: unknown) => unknown;
  /** Is told of each error that was masked. */
  readonly onMasked: (error: unknown) => void;
  readonly onFault: OnFault;
}

/**
 * A request that is answered sooner does not join its session: the check when it began was enough, and
 * the many pay nothing for the few that are slow. Milliseconds.
 */
export const slowRequest = 1_000;

export function createRun({ mask, onMasked, onFault }: RunOptions): Run {
  const onSourceFault = (error: unknown) => onFault("a subscription's source failed", error);

  function shownOf(error: GraphQLError): GraphQLError {
    const shown = mask(error);
    if (shown !== error) onMasked(error);
    return shown as GraphQLError;
  }

  function maskedPart<Part extends WithErrors>(part: Part): Part {
    const { errors } = part;
    return errors === undefined ? part : { ...part, errors: errors.map(shownOf) };
  }

  function masked(result: ExecutionResult): ExecutionResult {
    const { errors, incremental, completed } = result as ExecutionResult & InParts;
    // Of what comes in parts each has its own.
    if (incremental !== undefined || completed !== undefined)
      return maskedPart({
        ...result,
        ...(incremental !== undefined && { incremental: incremental.map(maskedPart) }),
        ...(completed !== undefined && { completed: completed.map(maskedPart) }),
      });
    if (errors === undefined) return result;
    // Without data nothing was executed: the errors are of the variables.
    const quoted = "data" in result ? errors : errors.map(unquoted);
    return { ...result, errors: quoted.map(shownOf) };
  }

  /** Delivers until the end comes, and never past it. */
  async function untilEnd({
    caller,
    begin,
    answerTo,
    isAnswer,
    onDone,
  }: Operation): Promise<Result> {
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
    return new EndableStream(begun, {
      life,
      isAnswer,
      answerTo,
      masked,
      mask,
      onSourceFault,
      onClose: onDone,
    });
  }

  async function untilDone(operation: Operation): Promise<Result> {
    let result: Result | undefined;
    try {
      result = await untilEnd(operation);
      return result;
    } finally {
      if (!isAsyncIterable(result)) operation.onDone();
    }
  }

  async function request(operation: Operation): Promise<Result> {
    const { caller } = operation;
    // Between the check and this, plugins may have taken their time.
    if (caller.age > slowRequest) await caller.join("slowRequest");
    const timer = setTimeout(() => {
      caller.join("slowRequest").catch((error: unknown) => {
        onFault("a slow request could not join its session", error);
        caller.life.end("UNAVAILABLE");
      });
    }, slowRequest);
    try {
      return await untilDone(operation);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Under its session first, and the source of events after: nothing can end unnoticed in between. */
  async function subscribe(operation: Operation): Promise<Result> {
    await operation.caller.join("stream");
    return untilDone(operation);
  }

  async function sourceOf(args: ExecutionArgs): Promise<Begun> {
    try {
      return await createSourceEventStream(args);
    } catch (error) {
      // An app's resolver gave something that is no stream.
      onMasked(error);
      return { errors: [mask(error) as GraphQLError] };
    }
  }

  return (args, by) => {
    const { caller } = args.contextValue as CurfewContext;
    const kind = getOperationAST(args.document, args.operationName)?.operation;
    const isSubscription = kind === OperationTypeNode.SUBSCRIPTION;
    const isAnswer = kind === OperationTypeNode.MUTATION;
    if (by !== undefined) {
      const begin = async () => (await by(args)) as Begun;
      // It is done when the plugins around this are.
      const operation = { caller, begin, answerTo: asItIs, isAnswer, onDone: () => {} };
      return isSubscription ? subscribe(operation) : request(operation);
    }
    const onDone = () => caller.done();
    return isSubscription
      ? subscribe({
          caller,
          begin: () => sourceOf(args),
          answerTo: (event) => answer({ ...args, rootValue: event }),
          isAnswer,
          onDone,
        })
      : request({ caller, begin: () => answer(args), answerTo: asItIs, isAnswer, onDone });
  };
}

/** What graphql 17 has before it subscribes, and graphql 16 has not. */
interface Subscribing {
  readonly validateSubscriptionArgs?: (
    args: ExecutionArgs,
  ) => readonly GraphQLError[] | ExecutionArgs;
}

async function createSourceEventStream(args: ExecutionArgs): Promise<Begun> {
  const { validateSubscriptionArgs = asIs } = graphql as Subscribing;
  const valid = validateSubscriptionArgs(args);
  return "schema" in valid ? graphql.createSourceEventStream(valid) : { errors: valid };
}

function asIs(args: ExecutionArgs): ExecutionArgs {
  return args;
}

function answer(args: ExecutionArgs): Result | Promise<Result> {
  const result = execute<Data>(args);
  return isPromise(result) ? result.then(wholeOrParts) : wholeOrParts(result);
}

function wholeOrParts(result: Awaited<ReturnType<typeof execute<Data>>>): Result {
  return isIncrementalResults(result) ? flattenIncrementalResults(result) : result;
}

/** Of a query whose answer comes in parts, the events are the parts; of what others execute, the answers. */
export const asItIs: Operation["answerTo"] = (event) => event as ExecutionResult;

export function stopped(ending: Ending): ExecutionResult {
  return { errors: [endingError(ending)] };
}

function abandon(begun: Begun): void {
  if (isAsyncIterable(begun)) leave(begun[Symbol.asyncIterator]());
}
