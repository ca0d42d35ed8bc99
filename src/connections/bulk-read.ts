/** Reads very many sessions from a store that may be near or far, and parts of which may be unavailable. */
import { StoreUnavailable, type SessionLookup } from "../session/store.ts";
import { nextTurn } from "../lib/in-batches.ts";
import { withTimeout } from "../lib/timeout.ts";

/** Sessions per read. A batch of replies is handled in one turn of the event loop, in about 1 ms. */
const sessionsPerRead = 100;
const maxBatchesInFlight = 16;
/**
 * How long the next batch waits for the one before (ms). A near store answers sooner, so its batches, and their
 * replies, come one after another.
 */
const pipelineDelay = 10;

export interface BulkReadOptions {
  readonly read: (fingerprints: readonly string[]) => Promise<readonly SessionLookup[]>;
  /** Called once for every session. */
  readonly onLookup: (fingerprint: string, lookup: SessionLookup) => void;
}

/**
 * Reads all sessions. If the store answers for no session of a batch, the rest is not read and counts as unknown.
 *
 * @returns why some sessions are unknown, or undefined when the store answered for all
 */
export async function bulkRead(
  fingerprints: readonly string[],
  { read, onLookup }: BulkReadOptions,
): Promise<StoreUnavailable | undefined> {
  let failure: StoreUnavailable | undefined;
  const unread = await inOverlappingBatches(fingerprints, async (batch) => {
    const lookups = await readBatch(read, batch);
    let answers = 0;
    const report = (fingerprint: string, lookup: SessionLookup) => {
      onLookup(fingerprint, lookup);
      if (lookup.state === "unknown") failure ??= lookup.cause;
      else answers += 1;
    };
    for (const [index, fingerprint] of batch.entries()) {
      try {
        report(
          fingerprint,
          lookups[index] ?? unreadable(new Error("The store returned too few results")),
        );
      } catch (cause) {
        // An app's store may return an invalid result.
        report(fingerprint, unreadable(cause));
      }
    }
    return answers > 0;
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
    return batch.map(() => unreadable(cause));
  }
}

/** Whatever the error is: a session that cannot be read may or may not be live. */
function unreadable(cause: unknown) {
  const error = new StoreUnavailable("Sessions could not be read", { cause });
  return { state: "unknown", cause: error } as const;
}

/**
 * @param work resolves to whether to continue with further batches
 * @returns the items that were left out
 */
async function inOverlappingBatches<Item>(
  items: readonly Item[],
  work: (batch: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  const inFlight = new Set<Promise<unknown>>();
  const errors: unknown[] = [];
  let started = 0;
  const state = { continues: true };
  const start = (batch: readonly Item[]): Promise<unknown> => {
    const done = work(batch)
      .then((continues) => (state.continues &&= continues))
      .catch((error: unknown) => {
        errors.push(error);
        state.continues = false;
      })
      .finally(() => inFlight.delete(done));
    inFlight.add(done);
    return done;
  };
  while (state.continues && started < items.length) {
    const done = start(items.slice(started, (started += sessionsPerRead)));
    if (started >= items.length) break;
    await (inFlight.size < maxBatchesInFlight
      ? withTimeout(done, pipelineDelay)
      : Promise.race(inFlight));
    // A store in this process answers without a turn of the event loop.
    await nextTurn();
  }
  await Promise.all(inFlight);
  if (errors.length > 0) throw errors[0];
  return items.slice(started);
}
