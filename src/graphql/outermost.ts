/** The last look at an answer: whatever plugins made of it, it ends with its session. */
import type { ExecutionResult } from "graphql";
import { isAsyncIterable } from "graphql-yoga";
import type { Caller } from "./caller.ts";
import { EndableStream, leave, type Result } from "./endable-stream.ts";
import { asItIs, slowRequest, stopped, stoppedMidway } from "./run.ts";

/**
 * A plugin may answer instead of the executor, stream by itself, or hold back what was executed: so this
 * comes after all of them, and puts under the session what is not there yet.
 */
export async function endWithSession(result: Result, caller: Caller): Promise<Result> {
  return isAsyncIterable(result) ? stream(result, caller) : answer(result, caller);
}

async function answer(result: ExecutionResult, caller: Caller): Promise<Result> {
  const { life } = caller;
  if (caller.age > slowRequest && !caller.hasLastWord) await caller.join("slowRequest");
  const { ending } = life;
  // Where there is no Node HTTP, he counts as gone from here on.
  caller.done();
  const isStopped = ending !== undefined && ending !== "LEFT" && !caller.hasLastWord;
  if (!isStopped) return result;
  return hasBegun(result) ? stoppedMidway(ending) : stopped(ending);
}

/** Whether the executor had begun with it, as far as its result shows. */
function hasBegun({ data, errors = [] }: ExecutionResult): boolean {
  return data !== undefined || errors.some(({ extensions }) => extensions?.["begun"] === true);
}

async function stream(source: AsyncIterable<unknown>, caller: Caller): Promise<Result> {
  const { life } = caller;
  const onClose = () => caller.done();
  await caller.join("stream");
  if (life.ending !== undefined) {
    leave(source[Symbol.asyncIterator]());
    onClose();
    return stopped(life.ending);
  }
  return new EndableStream(source, {
    life,
    isAnswer: source instanceof EndableStream && source.isAnswer,
    answerTo: asItIs,
    masked: (part) => part,
    mask: (error) => error,
    onSourceFault: () => {},
    onClose,
  });
}
