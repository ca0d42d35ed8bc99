/** Reads very many sessions again: from a store that is near or far, and of which some parts may be away. */
import { StoreUnavailable, type SessionLookup } from "../session/store.ts";

/** Sessions per read: a batch of replies is handled in one turn of the event loop, in some 1 ms. */
const batch = 100;
/** Batches under way. */
const atOnce = 16;
/**
 * Milliseconds after which the next batch is begun although the one before is not there. A store that is
 * near is quicker: it gets one batch after the other, and so do its replies come.
 */
const patience = 10;

export interface BulkReadOptions {
  readonly read: (fingerprints: readonly string[]) => Promise<readonly SessionLookup[]>;
  readonly onLookup: (fingerprint: string, reading: SessionLookup) => void;
}

/**
 * Tells of every session once. A store that answers for none of a whole batch is not asked for the rest,
 * of which no more is known. Resolves to why some are not known, if some are not.
 */
export async function bulkRead(
  fingerprints: readonly string[],
  { read, onLookup: tell }: BulkReadOptions,
): Promise<StoreUnavailable | undefined> {
  let failure: StoreUnavailable | undefined;
  const rest = await inBatches(fingerprints, async (some) => {
    const readings = await answersOf(read, some);
    let answers = 0;
    const learn = (fingerprint: string, reading: SessionLookup) => {
      tell(fingerprint, reading);
      if (reading.state === "unknown") failure ??= reading.cause;
      else answers += 1;
    };
    for (const [index, fingerprint] of some.entries()) {
      try {
        learn(fingerprint, readings[index] ?? unknown(new Error("It gave too few answers")));
      } catch (cause) {
        // An app's store may give what is no answer.
        learn(fingerprint, unknown(cause));
      }
    }
    return answers > 0;
  });
  if (failure !== undefined)
    for (const fingerprint of rest) tell(fingerprint, { state: "unknown", cause: failure });
  return failure;
}

async function answersOf(
  read: BulkReadOptions["read"],
  some: readonly string[],
): Promise<readonly SessionLookup[]> {
  try {
    return [...(await read(some))];
  } catch (cause) {
    return some.map(() => unknown(cause));
  }
}

/** Whatever the error: sessions that cannot be read are not known to live. */
function unknown(cause: unknown) {
  const error = new StoreUnavailable("Sessions could not be read", { cause });
  return { state: "unknown", cause: error } as const;
}

/**
 * @param work says whether to go on
 * @returns what was left
 */
async function inBatches<Item>(
  items: readonly Item[],
  work: (some: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  const underWay = new Set<Promise<unknown>>();
  const errors: unknown[] = [];
  let begun = 0;
  const state = { goesOn: true };
  const begin = (some: readonly Item[]): Promise<unknown> => {
    const done = work(some)
      .then((says) => (state.goesOn &&= says))
      .catch((error: unknown) => {
        errors.push(error);
        state.goesOn = false;
      })
      .finally(() => underWay.delete(done));
    underWay.add(done);
    return done;
  };
  while (state.goesOn && begun < items.length) {
    const done = begin(items.slice(begun, (begun += batch)));
    if (begun >= items.length) break;
    await (underWay.size < atOnce ? atMost(patience, done) : Promise.race(underWay));
    // A store in this process answers at once: the event loop gets its turn all the same.
    await new Promise(setImmediate);
  }
  await Promise.all(underWay);
  if (errors.length > 0) throw errors[0];
  return items.slice(begun);
}

async function atMost(milliseconds: number, done: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([done, promise]);
  clearTimeout(timer);
}
