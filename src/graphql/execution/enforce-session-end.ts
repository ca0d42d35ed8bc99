/** The last look at an answer: whatever plugins made of it, it ends with its session. */
import type { ExecutionResult } from "graphql";
import { isAsyncIterable } from "graphql-yoga";
import type { Caller } from "../caller.ts";
import { EndableStream, leave, type Result } from "./endable-stream.ts";
import { passThrough, slowRequest, stopped } from "./execute.ts";

/**
 * A plugin may answer instead of the executor, stream by itself, or hold back what was executed: so this
 * comes after all of them, and puts under the session what is not there yet.
 */
export async function endWithSession(result: Result, caller: Caller): Promise<Result> {
  return isAsyncIterable(result) ? stream(result, caller) : answer(result, caller);
}

async function answer(result: ExecutionResult, caller: Caller): Promise<Result> {
  const { lifecycle } = caller;
  if (caller.age > slowRequest && !caller.repliesBeforeClose) await caller.join("slowRequest");
  const { closeReason: ending } = lifecycle;
  // Where there is no Node HTTP, he counts as gone from here on.
  caller.done();
  const isStopped = ending !== undefined && ending !== "CLIENT_GONE" && !caller.repliesBeforeClose;
  return isStopped ? stopped(ending) : result;
}

async function stream(source: AsyncIterable<unknown>, caller: Caller): Promise<Result> {
  const { lifecycle } = caller;
  const onClose = () => caller.done();
  await caller.join("stream");
  if (lifecycle.closeReason !== undefined) {
    leave(source[Symbol.asyncIterator]());
    onClose();
    return stopped(lifecycle.closeReason);
  }
  return new EndableStream(source, {
    lifecycle,
    isAnswer: source instanceof EndableStream && source.isAnswer,
    answerTo: passThrough,
    masked: (part) => part,
    mask: (error) => error,
    onSourceFault: () => {},
    onClose,
  });
}
