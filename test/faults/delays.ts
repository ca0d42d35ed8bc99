/**
 * How much later than it happened, or could have happened, something was seen in a run: the machine has other
 * work to do, and the clients themselves keep their process busy. None of that is the nodes' doing.
 */
import { maxDelayShare, startRunDelay } from "../helpers/stopwatch.ts";
import type { Entry, Trace } from "./trace.ts";

interface Observed {
  readonly name: string;
  readonly pid: number;
}

/** How often it is noted (ms). */
const interval = 100;

/**
 * Notes it in the trace, for each node, until what is returned is called.
 *
 * @param stores the processes that all nodes wait for
 */
export function noteDelays(
  trace: Trace,
  nodes: readonly Observed[],
  stores: readonly number[],
): () => void {
  const withheld = nodes.map(({ name, pid }) => [name, startRunDelay([pid, ...stores])] as const);
  let late = 0;
  let due = trace.now() + interval;
  const note = () => {
    // What came in that time was not read either.
    late += Math.max(0, trace.now() - due);
    for (const [node, total] of withheld) trace.note({ kind: "delayed", node, by: late + total() });
    due = trace.now() + interval;
  };
  note();
  const timer = setInterval(note, interval);
  return () => {
    clearInterval(timer);
    note();
  };
}

/** @returns a function that says for how many milliseconds between two moments a node, or its clients, were held up */
export function delaysOf(
  entries: readonly Entry[],
): (node: string, from: number, to: number) => number {
  const notes = entries.filter((entry) => entry.kind === "delayed");
  const byNode = Map.groupBy(notes, ({ node }) => node);
  return (node, from, to) => {
    const samples = byNode.get(node) ?? [];
    const before = samples.findLast(({ at }) => at <= from) ?? samples[0];
    const after = samples.find(({ at }) => at >= to) ?? samples.at(-1);
    const delay = Math.max(0, (after?.by ?? 0) - (before?.by ?? 0));
    return Math.min(delay, maxDelayShare * Math.max(0, to - from));
  };
}
