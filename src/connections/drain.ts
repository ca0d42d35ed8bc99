/** Closes the connections of a server that shuts down, spread over time so that clients do not all reconnect at once. */
import { setTimeout as pause } from "node:timers/promises";
import type { ConnectionLifecycle } from "./lifecycle.ts";
import { CloseQueue } from "./close-queue.ts";

/** Milliseconds between two steps. */
const interval = 100;
/** Connections that each step closes at least, so that few connections do not take the whole time. */
const minClosesPerStep = 20;

/**
 * Closes the present connections evenly over the time, and later ones soon after they appear. Connections with a
 * reply in flight have the whole time: a client that lost the reply would repeat the operation, and a mutation would
 * run twice.
 *
 * @param connections returns all present connections
 * @param time milliseconds
 * @returns a function that stops it
 */
export function drain(connections: () => Iterable<ConnectionLifecycle>, time: number): () => void {
  const closeQueue = new CloseQueue();
  let stepsLeft = Math.max(1, Math.floor(time / interval));
  const step = () => {
    const open = [...new Set(connections())].filter(({ closeReason }) => closeReason === undefined);
    if (stepsLeft === 0) return closeQueue.close(open, "SERVICE_RESTART");
    const count = Math.max(minClosesPerStep, Math.ceil(open.length / stepsLeft));
    const idle = open.filter(({ isReplying }) => !isReplying);
    closeQueue.close(idle.slice(0, count), "SERVICE_RESTART");
    stepsLeft -= 1;
  };
  step();
  const timer = setInterval(step, interval);
  return () => clearInterval(timer);
}

/** Drains. Resolves when no connection is left, or after `time`, when all are marked closed and are closing. */
export async function drained(
  connections: () => readonly ConnectionLifecycle[],
  time: number,
): Promise<void> {
  const stop = drain(connections, time);
  const deadline = performance.now() + time;
  while (connections().length > 0 && performance.now() < deadline) await pause(interval);
  stop();
  // The time may be over before the last step.
  new CloseQueue().close(connections(), "SERVICE_RESTART");
}
