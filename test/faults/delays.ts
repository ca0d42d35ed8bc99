/**
 * Records delays that the nodes do not cause: run delays of their processes on a busy machine, and delays of the
 * clients' own event loop.
 */
import { maxDelayShare, startRunDelay } from "../helpers/stopwatch.ts";
import type { Entry, Trace } from "./trace.ts";

interface ObservedProcess {
  readonly name: string;
  /** Of the current process. */
  readonly pid: number;
}

/** Interval between two samples (ms). */
const interval = 100;

/**
 * Records the delay of each node in the trace.
 *
 * @param stores the processes of Redis, for which all nodes wait
 * @returns a function that stops recording
 */
export function recordDelays(
  trace: Trace,
  nodes: readonly ObservedProcess[],
  stores: readonly number[],
): () => void {
  const runDelays = nodes.map((node) => [node.name, runDelayOf(node, stores)] as const);
  let late = 0;
  let due = trace.now() + interval;
  const record = () => {
    // While the event loop is late, the clients read no messages either.
    late += Math.max(0, trace.now() - due);
    for (const [node, total] of runDelays)
      trace.record({ kind: "delayed", node, by: late + total() });
    due = trace.now() + interval;
  };
  record();
  const timer = setInterval(record, interval);
  return () => {
    clearInterval(timer);
    record();
  };
}

/** Goes on with the next process if the node is restarted. */
function runDelayOf(node: ObservedProcess, stores: readonly number[]): () => number {
  let { pid } = node;
  let before = 0;
  let current = startRunDelay([pid, ...stores]);
  return () => {
    if (node.pid !== pid) {
      ({ pid } = node);
      before += current();
      current = startRunDelay([pid, ...stores]);
    }
    return before + current();
  };
}

/** @returns a function that returns the delay of a node and its clients between two times (ms) */
export function delaysOf(
  entries: readonly Entry[],
): (node: string, from: number, to: number) => number {
  const delays = entries.filter((entry) => entry.kind === "delayed");
  const byNode = Map.groupBy(delays, ({ node }) => node);
  return (node, from, to) => {
    const samples = byNode.get(node) ?? [];
    const before = samples.findLast(({ at }) => at <= from) ?? samples[0];
    const after = samples.find(({ at }) => at >= to) ?? samples.at(-1);
    const delay = Math.max(0, (after?.by ?? 0) - (before?.by ?? 0));
    return Math.min(delay, maxDelayShare * Math.max(0, to - from));
  };
}
