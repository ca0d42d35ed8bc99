/** Reads many sessions in batches. The store may be fast or slow, and may fail to read some of the sessions. */
import { StoreUnavailable, type SessionLookup } from "../session/store.ts";
import { nextTurn } from "../lib/in-batches.ts";
import { withTimeout } from "../lib/timeout.ts";

/** Sessions per batch. One turn of the event loop handles the results of a batch, in about 1 ms. */
const sessionsPerRead = 100;
const maxBatchesInFlight = 16;
/**
 * How long the next batch waits for the result of the previous batch (ms). A fast store answers before that, so its
 * batches do not overlap. The batches of a slower store overlap.
 */
const overlapDelay = 10;

export interface BulkReadOptions {
  readonly read: (fingerprints: readonly string[]) => Promise<readonly SessionLookup[]>;
  /** Called once for every session. If it throws, it is called again for that session, with the state "unknown". */
  readonly onLookup: (fingerprint: string, lookup: SessionLookup) => void;
}

/**
 * Reads all sessions. If the store can read no session of a batch, no further batch starts. The sessions that were
 * not read are reported as unknown.
 *
 * @returns why some sessions are unknown; undefined if the store could read all of them
 */
export async function bulkRead(
  fingerprints: readonly string[],
  { read, onLookup }: BulkReadOptions,
): Promise<StoreUnavailable | undefined> {
  let failure: StoreUnavailable | undefined;
  const unread = await inOverlappingBatches(fingerprints, async (batch) => {
    const lookups = await readBatch(read, batch);
    let readCount = 0;
    const report = (fingerprint: string, lookup: SessionLookup) => {
      onLookup(fingerprint, lookup);
      if (lookup.state === "unknown") failure ??= lookup.cause;
      else readCount += 1;
    };
    for (const [index, fingerprint] of batch.entries()) {
      try {
        report(
          fingerprint,
          lookups[index] ?? unknownBecauseOf(new Error("The store returned too few results")),
        );
      } catch (cause) {
        // `onLookup` throws if a store that the app supplies returns an invalid session.
        report(fingerprint, unknownBecauseOf(cause));
      }
    }
    return readCount > 0;
  });
  if (failure !== undefined)
    for (const fingerprint of unread) onLookup(fingerprint, { state: "unknown", cause: failure });
  return failure;
}

async function readBatch(
  read: BulkReadOptions["read"],
  batch: readonly string[],
): Promise<readonly SessionLookup[]> {
  try {
    return [...(await read(batch))];
  } catch (cause) {
    return batch.map(() => unknownBecauseOf(cause));
  }
}

/** Every error has the same result: the session is unknown, because it may or may not be live. */
function unknownBecauseOf(cause: unknown) {
  const error = new StoreUnavailable("Sessions could not be read", { cause });
  return { state: "unknown", cause: error } as const;
}

/**
 * Works on the items in batches. If a batch is slow, the next batch starts before it is done.
 *
 * @param work resolves to whether further batches may start
 * @returns the items of the batches that did not start
 */
async function inOverlappingBatches<Item>(
  items: readonly Item[],
  work: (batch: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  const inFlight = new Set<Promise<unknown>>();
  const errors: unknown[] = [];
  let startedCount = 0;
  const state = { mayContinue: true };
  const start = (batch: readonly Item[]): Promise<unknown> => {
    const done = work(batch)
      .then((mayContinue) => (state.mayContinue &&= mayContinue))
      .catch((error: unknown) => {
        errors.push(error);
        state.mayContinue = false;
      })
      .finally(() => inFlight.delete(done));
    inFlight.add(done);
    return done;
  };
  while (state.mayContinue && startedCount < items.length) {
    const done = start(items.slice(startedCount, (startedCount += sessionsPerRead)));
    if (startedCount >= items.length) break;
    await (inFlight.size < maxBatchesInFlight
      ? withTimeout(done, overlapDelay)
      : Promise.race(inFlight));
    // A store in this process answers before the event loop runs other work.
    await nextTurn();
  }
  await Promise.all(inFlight);
  if (errors.length > 0) throw errors[0];
  return items.slice(startedCount);
}
