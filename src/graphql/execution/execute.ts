/** Executes operations of sockets, SSE streams and requests, and ends them with their session. */
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
import {
  EndableStream,
  leave,
  type EndableStreamOptions,
  type OperationResult,
} from "./endable-stream.ts";
import { endingError, tooMuchMemory } from "../errors.ts";
import { reduceDocument } from "./reduce-document.ts";
import { chargeMemory } from "./charge-memory.ts";
import { createMaskResult, type MaskOptions } from "./mask-result.ts";
import { hasSerialFields } from "./serial-fields.ts";
import { variableErrors } from "./check-variables.ts";

/** A function of a Yoga's plugins that executes or subscribes. */
export type ExecuteFn = (args: ExecutionArgs) => unknown;

/**
 * Executes an operation in a `CurfewContext` and masks its errors.
 *
 * @param executeFn executes instead of the default executor. Plugins run around it, so `endWithSession` reports the
 * end of the operation, not this function.
 */
export type Execute = (args: ExecutionArgs, executeFn?: ExecuteFn) => Promise<OperationResult>;

/** A result, or a stream of a subscription's events or of incremental results. */
type Begun = ExecutionResult | AsyncIterable<unknown>;
type Data = Record<string, unknown>;

interface PendingOperation {
  readonly caller: Caller;
  readonly begin: () => Begun | Promise<Begun>;
  readonly resultOf: EndableStreamOptions["resultOf"];
  /** Whether a stream is the incremental response of a mutation, which a client must not repeat. */
  readonly isMutation: boolean;
  /** Called after the response or the close of the stream. */
  readonly onDone: () => void;
}

export interface ExecuteOptions extends MaskOptions {
  readonly reportError: ReportError;
}

/**
 * A request that takes longer joins its session, so that it ends with it (ms). A faster request does not: its check
 * at the start is recent enough, and joining has a cost. A request with several serial fields joins before the first
 * of them, because the other fields start later.
 */
export const slowRequestTime = 1_000;

export function createExecute({
  mask,
  onMasked,
  reportError,
  suggestions,
}: ExecuteOptions): Execute {
  const onSourceError = (error: unknown) => reportError("a subscription's source failed", error);

  const masked = createMaskResult({ mask, onMasked, suggestions });

  /** Executes until the lifecycle ends. Delivers nothing after the end. */
  async function untilEnd({
    caller,
    begin,
    resultOf,
    isMutation,
    onDone,
  }: PendingOperation): Promise<OperationResult> {
    const { lifecycle } = caller;
    if (lifecycle.closeReason !== undefined) return stopped(caller, lifecycle.closeReason);
    const beginning = begin();
    const onEnd = (reason: CloseReason) => stoppedMidway(caller, reason);
    const begun = isPromise(beginning) ? await lifecycle.race<Begun>(beginning, onEnd) : beginning;
    const isStream = isAsyncIterable(begun);
    if (isStream) await caller.join("stream");
    // Only a single result is sent after the end: nothing would end a stream.
    if (lifecycle.closeReason !== undefined && (!caller.repliesBeforeClose || isStream)) {
      // A stream that has started, or may still start, has no reader.
      Promise.resolve(beginning).then(abandon, () => {});
      return stoppedMidway(caller, lifecycle.closeReason);
    }
    if (!isStream) return masked(begun);
    return new EndableStream(begun, {
      lifecycle,
      stopped: (reason) => stopped(caller, reason),
      isMutation,
      resultOf,
      masked,
      mask,
      onSourceError,
      onClose: onDone,
    });
  }

  async function untilDone(operation: PendingOperation): Promise<OperationResult> {
    let result: OperationResult | undefined;
    try {
      result = await untilEnd(operation);
      return result;
    } finally {
      if (!isAsyncIterable(result)) operation.onDone();
    }
  }

  /** Gathers the audit facts of serial fields, each of which may be, for example, a refused login. */
  function runRequest(operation: PendingOperation, isSerial: boolean): Promise<OperationResult> {
    const run = () => runUnderSession(operation, isSerial);
    return isSerial ? gatherFacts(run) : run();
  }

  async function runUnderSession(
    operation: PendingOperation,
    isSerial: boolean,
  ): Promise<OperationResult> {
    const { caller } = operation;
    // Plugins may have delayed the execution since the caller was checked.
    if (isSerial || caller.age > slowRequestTime) await caller.join("slowRequest");
    const timer = setTimeout(() => {
      caller.join("slowRequest").catch((error: unknown) => {
        reportError("a slow request could not join its session", error);
        caller.lifecycle.end("TRY_AGAIN_LATER");
      });
    }, slowRequestTime);
    try {
      return await untilDone(operation);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Joins the session before it subscribes to the source, so that no end in between goes unnoticed. */
  async function runSubscription(operation: PendingOperation): Promise<OperationResult> {
    await operation.caller.join("stream");
    return untilDone(operation);
  }

  async function sourceOf(args: ExecutionArgs): Promise<Begun> {
    try {
      return await createSourceEventStream(args);
    } catch (error) {
      // An app's resolver returned something other than an async iterable.
      onMasked(error, 1);
      return { errors: [mask(error) as GraphQLError] };
    }
  }

  return async (given, executeFn) => {
    const { caller } = given.contextValue as CurfewContext;
    const definition = getOperationAST(given.document, given.operationName);
    const isSubscription = definition?.operation === OperationTypeNode.SUBSCRIPTION;
    const isMutation = definition?.operation === OperationTypeNode.MUTATION;
    const isSerial = definition != null && hasSerialFields(definition, given.document);
    const args = isSubscription ? reduceDocument(given) : given;
    if (!chargeMemory(args, caller, paramsOf(args))) {
      caller.done();
      return { errors: [tooMuchMemory()] };
    }
    const checked =
      (begin: () => Begun | Promise<Begun>): PendingOperation["begin"] =>
      () => {
        const errors = variableErrors(args, suggestions);
        return errors.length > 0 ? { errors } : begin();
      };
    if (executeFn !== undefined) {
      const begin = checked(async () => (await executeFn(args)) as Begun);
      // `endWithSession` reports the end, after the plugins around this function.
      const operation = { caller, begin, resultOf: passThrough, isMutation, onDone: () => {} };
      return isSubscription ? runSubscription(operation) : runRequest(operation, isSerial);
    }
    const onDone = () => caller.done();
    return isSubscription
      ? runSubscription({
          caller,
          begin: checked(() => sourceOf(args)),
          resultOf: (event) => executeOnce({ ...args, rootValue: event }),
          isMutation,
          onDone,
        })
      : runRequest(
          {
            caller,
            begin: checked(() => executeOnce(args)),
            resultOf: passThrough,
            isMutation,
            onDone,
          },
          isSerial,
        );
  };
}

/** The client's request, which Yoga retains in the context. */
function paramsOf({ contextValue }: ExecutionArgs): unknown {
  return (contextValue as { readonly params?: unknown }).params;
}

/** Validation before a subscription, which graphql 17 has and graphql 16 has not. */
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

function executeOnce(args: ExecutionArgs): OperationResult | Promise<OperationResult> {
  const result = execute<Data>(args);
  return isPromise(result) ? result.then(flatten) : flatten(result);
}

function flatten(result: Awaited<ReturnType<typeof execute<Data>>>): OperationResult {
  return isIncrementalResults(result) ? flattenIncrementalResults(result) : result;
}

/** For streams whose events are results: incremental results, and streams of plugins. */
export const passThrough: PendingOperation["resultOf"] = (event) => event as ExecutionResult;

/** The result of an operation that the end of its lifecycle stopped. */
export async function stopped(caller: Caller, reason: CloseReason): Promise<ExecutionResult> {
  return { errors: [endingError(reason, { endReason: await caller.endReason() })] };
}

/** The answer of an operation that was being executed: a part of it may be done. */
export async function stoppedMidway(caller: Caller, reason: CloseReason): Promise<ExecutionResult> {
  return { errors: [endingError(reason, { begun: true, endReason: await caller.endReason() })] };
}

function abandon(begun: Begun): void {
  if (isAsyncIterable(begun)) leave(begun[Symbol.asyncIterator]());
}
