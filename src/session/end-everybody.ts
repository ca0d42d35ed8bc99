/** Ends the sessions of all users, found by their records. */
import { inBatches } from "../lib/in-batches.ts";
import { StoreUnavailable, type SessionStore } from "./store.ts";

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
 * @throws StoreUnavailable if the store did not answer, or not for all sessions; the others have ended, and it is safe
 * to repeat
 */
export async function endEverybody(options: EndEverybodyOptions): Promise<number> {
  const { store, clock, beganBefore, end, onProgress } = options;
  if (store.scan === undefined) throw new Error("The session store cannot list all sessions");
  // A session that cannot be read ends too: its record may be one that this version does not understand.
  const isFromBefore = async (fingerprint: string) =>
    store.read(fingerprint, clock()).then(
      (session) => session !== undefined && session.createdAt < beganBefore,
      () => true,
    );
  let ended = 0;
  let failure: StoreUnavailable | undefined;
  let isClear = false;
  while (!isClear) {
    isClear = true;
    for await (const fingerprints of store.scan()) {
      ended += await inBatches(fingerprints, async (fingerprint) => {
        try {
          if (!(await isFromBefore(fingerprint))) return 0;
          isClear = false;
          return await end(fingerprint);
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error;
          failure = error;
          return 0;
        }
      });
      onProgress?.(ended);
    }
    if (failure !== undefined) throw failure;
  }
  return ended;
}
