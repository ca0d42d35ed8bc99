/** Ends many connections without holding up the event loop. */
import type { Ending, Life } from "../session/life.ts";

/** Closing a socket takes some 0.1 ms: as many as may be closed before others get their turn. */
const slice = 200;

/** From the moment of the call none of them accepts or delivers anything; closing follows in slices. */
export function endInSlices(lives: readonly Life[], ending: Ending): void {
  for (const life of lives) life.condemn(ending);
  endSlice(lives, 0, ending);
}

function endSlice(lives: readonly Life[], start: number, ending: Ending): void {
  for (const life of lives.slice(start, start + slice)) life.end(ending);
  if (start + slice < lives.length) setImmediate(endSlice, lives, start + slice, ending);
}
