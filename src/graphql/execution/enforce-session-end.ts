/** Ends a result with its session after all plugins have processed it. */
import type { ExecutionResult } from "graphql";
import { isAsyncIterable } from "graphql-yoga";
import type { Caller } from "../caller.ts";
import { EndableStream, leave, type OperationResult } from "./endable-stream.ts";
import { passThrough, slowRequestTime, stopped, stoppedMidway } from "./execute.ts";

/**
 * Runs after all plugins and registers the operation under its session if that has not happened yet. A plugin may
 * return a result instead of the executor, return a stream of its own, or delay the executor's result.
 */
export async function endWithSession(
  result: OperationResult,
  caller: Caller,
): Promise<OperationResult> {
  return isAsyncIterable(result) ? endStream(result, caller) : endResult(result, caller);
}

async function endResult(result: ExecutionResult, caller: Caller): Promise<OperationResult> {
  const { lifecycle } = caller;
  if (caller.age > slowRequestTime && !caller.repliesBeforeClose) await caller.join("slowRequest");
  const { closeReason } = lifecycle;
  // Outside of Node's HTTP server, `done` ends the lifecycle as if the client had left.
  caller.done();
  const isStopped =
    closeReason !== undefined && closeReason !== "CLIENT_GONE" && !caller.repliesBeforeClose;
  if (!isStopped) return result;
  return hasBegun(result) ? stoppedMidway(caller, closeReason) : stopped(caller, closeReason);
}

/** Whether the executor began with the operation, as far as its result shows. */
function hasBegun({ data, errors = [] }: ExecutionResult): boolean {
  return data !== undefined || errors.some(({ extensions }) => extensions?.["begun"] === true);
}

async function endStream(source: AsyncIterable<unknown>, caller: Caller): Promise<OperationResult> {
  const { lifecycle } = caller;
  const onClose = () => caller.done();
  await caller.join("stream");
  if (lifecycle.closeReason !== undefined) {
    leave(source[Symbol.asyncIterator]());
    onClose();
    return stopped(caller, lifecycle.closeReason);
  }
  return new EndableStream(source, {
    lifecycle,
    stopped: (reason) => stopped(caller, reason),
    isMutation: source instanceof EndableStream && source.isMutation,
    resultOf: passThrough,
    masked: (part) => part,
    mask: (error) => error,
    onSourceError: () => {},
    onClose,
  });
}
