/** Ends running operations with their session: one mechanism for sockets, SSE streams and slow requests. */
import { isAsyncIterable, type Plugin } from "graphql-yoga";
import type { ExecutionArgs, ExecutionResult } from "graphql";
import type { OnFault } from "../session/fault.ts";
import type { Ending } from "../session/life.ts";
import type { Caller } from "./caller.ts";
import type { CurfewContext } from "./context.ts";
import { EndableStream } from "./endable-stream.ts";
import { endingError } from "./errors.ts";

type Result = ExecutionResult | AsyncIterable<ExecutionResult>;
type Run = (args: ExecutionArgs) => Result | Promise<Result>;

/**
 * A request that is answered sooner does not join its session: the check when it began was enough, and
 * the many pay nothing for the few that are slow. Milliseconds.
 */
const slowRequest = 1_000;

export function useSessionEnd(onFault: OnFault): Plugin<CurfewContext> {
  const onSourceFault = (error: unknown) => onFault("a subscription's source failed", error);

  /** Runs until the end comes first, and never delivers past it. */
  async function run(caller: Caller, begin: () => Result | Promise<Result>): Promise<Result> {
    const { life } = caller;
    if (life.ending !== undefined) return stopped(life.ending);
    const beginning = Promise.resolve(begin());
    const result = await life.race(beginning, stopped);
    if (isAsyncIterable(result)) await caller.join("stream");
    // The last word is an answer, not a stream: that would have nobody to end it.
    if (life.ending !== undefined && (!caller.hasLastWord || isAsyncIterable(result))) {
      // A stream that has begun, or still may, has no reader.
      beginning.then(abandon, () => {});
      return stopped(life.ending);
    }
    if (!isAsyncIterable(result)) return result;
    return new EndableStream(result, { life, onSourceFault, onClose: () => caller.done() });
  }

  async function runToDone(caller: Caller, begin: () => Result | Promise<Result>): Promise<Result> {
    let result: Result | undefined;
    try {
      result = await run(caller, begin);
      return result;
    } finally {
      if (!isAsyncIterable(result)) caller.done();
    }
  }

  async function execute(caller: Caller, begin: () => Result | Promise<Result>): Promise<Result> {
    const timer = setTimeout(() => {
      caller.join("slowRequest").catch((error: unknown) => {
        onFault("a slow request could not join its session", error);
        caller.life.end("UNAVAILABLE");
      });
    }, slowRequest);
    try {
      return await runToDone(caller, begin);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Under its session first, and the source of events after: nothing can end unnoticed in between. */
  async function subscribe(caller: Caller, begin: () => Result | Promise<Result>): Promise<Result> {
    await caller.join("stream");
    return runToDone(caller, begin);
  }

  return {
    onExecute({ executeFn, setExecuteFn }) {
      const begin: Run = executeFn;
      setExecuteFn((args) => execute(callerOf(args), () => begin(args)));
    },
    onSubscribe({ subscribeFn, setSubscribeFn }) {
      const begin: Run = subscribeFn;
      setSubscribeFn((args) => subscribe(callerOf(args), () => begin(args)));
    },
  };
}

function callerOf({ contextValue }: ExecutionArgs): Caller {
  return (contextValue as CurfewContext).caller;
}

function stopped(ending: Ending): ExecutionResult {
  return { errors: [endingError(ending)] };
}

function abandon(result: Result): void {
  if (!isAsyncIterable(result)) return;
  const source = result[Symbol.asyncIterator]();
  source.return?.().then(undefined, () => {});
}
