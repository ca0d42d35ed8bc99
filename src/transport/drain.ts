/** Ends the connections of a server that goes away, so that their clients do not all come back at once. */
import type { Life } from "../session/life.ts";
import { Slices } from "./slices.ts";

/** Milliseconds from one look at what is left to the next. */
const interval = 100;
/** That many end at each look where few do not need all of the time. */
const least = 20;

/**
 * Ends what there is evenly over the time, and soon what comes later.
 *
 * @param lives all that is connected now
 * @returns what stops it
 */
export function drain(lives: () => Iterable<Life>, time: number): () => void {
  const left = () => [...new Set(lives())].filter(({ ending }) => ending === undefined);
  const looks = Math.max(1, Math.floor(time / interval));
  const share = Math.max(least, Math.ceil(left().length / looks));
  const slices = new Slices();
  const end = () => slices.end(left().slice(0, share), "GOING_AWAY");
  end();
  const timer = setInterval(end, interval);
  return () => clearInterval(timer);
}
