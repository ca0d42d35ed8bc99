/** Ends the connections of a server that goes away, so that their clients do not all come back at once. */
import { setTimeout as pause } from "node:timers/promises";
import type { ConnectionLifecycle } from "./lifecycle.ts";
import { CloseQueue } from "./close-queue.ts";

/** Milliseconds from one look at what is left to the next. */
const interval = 100;
/** That many end at each look where few do not need all of the time. */
const least = 20;

/**
 * Ends what there is evenly over the time, and soon what comes later. What is just being answered has
 * all of the time: a client that lost the answer would ask again, and have a mutation done twice.
 *
 * @param lives all that is connected now
 * @returns what stops it
 */
export function drain(connections: () => Iterable<ConnectionLifecycle>, time: number): () => void {
  const slices = new CloseQueue();
  let looksLeft = Math.max(1, Math.floor(time / interval));
  const look = () => {
    const left = [...new Set(connections())].filter(
      ({ closeReason: ending }) => ending === undefined,
    );
    if (looksLeft === 0) return slices.close(left, "SERVICE_RESTART");
    const share = Math.max(least, Math.ceil(left.length / looksLeft));
    const idle = left.filter(({ isAnswering }) => !isAnswering);
    slices.close(idle.slice(0, share), "SERVICE_RESTART");
    looksLeft -= 1;
  };
  look();
  const timer = setInterval(look, interval);
  return () => clearInterval(timer);
}

/** Drains, and resolves when nothing is left, or when the time is over: then all have been told. */
export async function drained(
  connections: () => readonly ConnectionLifecycle[],
  time: number,
): Promise<void> {
  const stop = drain(connections, time);
  const deadline = performance.now() + time;
  while (connections().length > 0 && performance.now() < deadline) await pause(interval);
  stop();
  // The last look may come after the time.
  new CloseQueue().close(connections(), "SERVICE_RESTART");
}
