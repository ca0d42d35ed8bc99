/** The pauses of the work that passes ends on: between attempts, and so that nodes do not act at once. */
import { retryDelay } from "../lib/retry-delay.ts";

export interface Pauses {
  readonly pause: (milliseconds: number) => Promise<void>;
  /** Between 0 and 1. */
  readonly random: () => number;
}

/** All in milliseconds. */
const retryDelays = { firstPause: 250, longestPause: 5_000 } as const;

/** Pauses before the next attempt. */
export async function retryPause(failures: number, { pause, random }: Pauses): Promise<void> {
  await pause(retryDelay(failures, retryDelays, random));
}

/** Pauses for a random part of the time (ms), so that the nodes of a deployment do not all act at once. */
export async function spreadPause(longest: number, { pause, random }: Pauses): Promise<void> {
  await pause(random() * longest);
}
