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
import type { ReportError } from "../../lib/report-error.ts";
import type { CloseReason } from "../../protocol/close-reasons.ts";
import { gatherFacts } from "../../telemetry/gathered-facts.ts";
import type { Caller } from "../caller.ts";
import type { CurfewContext } from "../context.ts";
import { EndableStream, leave, type EndableStreamOptions, type Result } from "./endable-stream.ts";
import { endingError, tooMuchMemory } from "../errors.ts";
import { reduceDocument } from "./reduce-document.ts";
import { chargeMemory } from "./charge-memory.ts";
import { reportMaskedErrors, type OnMasked } from "./report-masked-errors.ts";
import { redactRequestError } from "../plugins/redact-errors.ts";
import { hasSerialFields } from "./serial-fields.ts";
import { variableErrors } from "./check-variables.ts";

/** Executes or subscribes, as the plugins of a Yoga have it. */
export type ExecuteFn = (args: ExecutionArgs) => unknown;

/**
 * Runs an operation in a `CurfewContext`, by what is given for that or else by the executor; what the client
 * may not see of its errors is masked. What is given runs between plugins: when all of that is done, the
 * outermost says.
 */
export type Execute = (args: ExecutionArgs, by?: ExecuteFn) => Promise<Result>;

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

export interface ExecuteOptions {
  /** What is shown of an error. */
  readonly mask: (error: unknown) => unknown;
  /** Receives the errors that were masked: of one answer, those of one cause together. */
  readonly onMasked: OnMasked;
  readonly reportError: ReportError;
  /** Whether an error of a variable may name what the client probably meant, and so a part of the schema. */
  readonly suggestions: boolean;
}

/**
 * A request that is answered sooner does not join its session: the check when it began was enough, and
 * the many pay nothing for the few that are slow. One with several serial fields joins before the first
 * of them, since each of the others begins later. Milliseconds.
 */
export const slowRequest = 1_000;

export function createExecute({
  mask,
  onMasked,
  reportError,
  suggestions,
}: ExecuteOptions): Execute {
  const onSourceFault = (error: unknown) => reportError("a subscription's source failed", error);

  function masked(result: ExecutionResult): ExecutionResult {
    const hidden: GraphQLError[] = [];
    const shown = shownResult(result, hidden);
    if (hidden.length > 0) reportMaskedErrors(hidden, onMasked);
    return shown;
  }

  function shownErrors(errors: readonly GraphQLError[], hidden: GraphQLError[]): GraphQLError[] {
    return errors.map((error) => {
      const shown = mask(error);
      if (shown !== error) hidden.push(error);
      return shown as GraphQLError;
    });
  }

  /** @param hidden to which it adds the errors that were masked */
  function shownResult(result: ExecutionResult, hidden: GraphQLError[]): ExecutionResult {
    const maskedPart = <Part extends WithErrors>(part: Part): Part => {
      const { errors } = part;
      return errors === undefined ? part : { ...part, errors: shownErrors(errors, hidden) };
    };
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
    const redacted =
      "data" in result ? errors : errors.map((error) => redactRequestError(error, suggestions));
    return { ...result, errors: shownErrors(redacted, hidden) };
  }

  /** Delivers until the end comes, and never past it. */
  async function untilEnd({
    caller,
    begin,
    answerTo,
    isAnswer,
    onDone,
  }: Operation): Promise<Result> {
    const { lifecycle } = caller;
    if (lifecycle.closeReason !== undefined) return stopped(lifecycle.closeReason);
    const beginning = begin();
    const begun = isPromise(beginning) ? await lifecycle.race(beginning, stopped) : beginning;
    const isStream = isAsyncIterable(begun);
    if (isStream) await caller.join("stream");
    // The last word is an answer, not a stream: that would have nobody to end it.
    if (lifecycle.closeReason !== undefined && (!caller.repliesBeforeClose || isStream)) {
      // A stream that has begun, or still may, has no reader.
      Promise.resolve(beginning).then(abandon, () => {});
      return stopped(lifecycle.closeReason);
    }
    if (!isStream) return masked(begun);
    return new EndableStream(begun, {
      lifecycle,
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

  /** Each serial field may cause a fact of the audit trail, such as a refused login. */
  function request(operation: Operation, isSerial: boolean): Promise<Result> {
    const run = () => underSession(operation, isSerial);
    return isSerial ? gatherFacts(run) : run();
  }

  async function underSession(operation: Operation, isSerial: boolean): Promise<Result> {
    const { caller } = operation;
    // Between the check and this, plugins may have taken their time.
    if (isSerial || caller.age > slowRequest) await caller.join("slowRequest");
    const timer = setTimeout(() => {
      caller.join("slowRequest").catch((error: unknown) => {
        reportError("a slow request could not join its session", error);
        caller.lifecycle.end("TRY_AGAIN_LATER");
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
      onMasked(error, 1);
      return { errors: [mask(error) as GraphQLError] };
    }
  }

  return async (whole, by) => {
    const { caller } = whole.contextValue as CurfewContext;
    const asked = getOperationAST(whole.document, whole.operationName);
    const isSubscription = asked?.operation === OperationTypeNode.SUBSCRIPTION;
    const isAnswer = asked?.operation === OperationTypeNode.MUTATION;
    const isSerial = asked != null && hasSerialFields(asked, whole.document);
    const args = isSubscription ? reduceDocument(whole) : whole;
    if (!chargeMemory(args, caller, paramsOf(args))) {
      caller.done();
      return { errors: [tooMuchMemory()] };
    }
    const checked =
      (begin: () => Begun | Promise<Begun>): Operation["begin"] =>
      () => {
        const errors = variableErrors(args, suggestions);
        return errors.length > 0 ? { errors } : begin();
      };
    if (by !== undefined) {
      const begin = checked(async () => (await by(args)) as Begun);
      // It is done when the plugins around this are.
      const operation = { caller, begin, answerTo: passThrough, isAnswer, onDone: () => {} };
      return isSubscription ? subscribe(operation) : request(operation, isSerial);
    }
    const onDone = () => caller.done();
    return isSubscription
      ? subscribe({
          caller,
          begin: checked(() => sourceOf(args)),
          answerTo: (event) => answer({ ...args, rootValue: event }),
          isAnswer,
          onDone,
        })
      : request(
          { caller, begin: checked(() => answer(args)), answerTo: passThrough, isAnswer, onDone },
          isSerial,
        );
  };
}

/** What the client sent: Yoga keeps it in the context. */
function paramsOf({ contextValue }: ExecutionArgs): unknown {
  return (contextValue as { readonly params?: unknown }).params;
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
export const passThrough: Operation["answerTo"] = (event) => event as ExecutionResult;

export function stopped(ending: CloseReason): ExecutionResult {
  return { errors: [endingError(ending)] };
}

function abandon(begun: Begun): void {
  if (isAsyncIterable(begun)) leave(begun[Symbol.asyncIterator]());
}
