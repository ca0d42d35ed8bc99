/** Ends the sessions of all users, found by their records. */
import { inBatches } from "../lib/in-batches.ts";
import type { SessionStore } from "./store.ts";

export interface EndEverybodyOptions {
  readonly store: SessionStore;
  readonly clock: () => number;
  /** Sessions that began from this time on stay (epoch ms). */
  readonly beganBefore: number;
  /** Ends a session. Resolves to the number that it ended. */
  readonly end: (fingerprint: string) => Promise<number>;
  /** Called after each batch, with the number of sessions ended so far. */
  readonly onProgress?: ((endedSessions: number) => void) | undefined;
}

/**
 * Scans until a scan finds no session from before: a scan may miss records that move between the masters of a cluster.
 * Resolves to the number of sessions that it ended.
 *
 * @throws Error if the store cannot list its sessions
 * @throws StoreUnavailable if the store does not answer; then it is partly done and safe to repeat
 */
export async function endEverybody(options: EndEverybodyOptions): Promise<number> {
  const { store, clock, beganBefore, end, onProgress } = options;
  if (store.scan === undefined) throw new Error("The session store cannot list all sessions");
  let ended = 0;
  let isClear = false;
  while (!isClear) {
    isClear = true;
    for await (const fingerprints of store.scan()) {
      ended += await inBatches(fingerprints, async (fingerprint) => {
        const session = await store.read(fingerprint, clock());
        if (session === undefined || session.createdAt >= beganBefore) return 0;
        isClear = false;
        return end(fingerprint);
      });
      onProgress?.(ended);
    }
  }
  return ended;
}
