/** Processes many items in batches. The event loop runs other work between two batches. */

/** How many items `inBatches` processes concurrently. */
const batchSize = 100;

/** Splits the items into arrays of at most `size` items. Keeps their order. */
export function chunksOf<Item>(items: readonly Item[], size: number): (readonly Item[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Resolves after the event loop has run other work. To await a resolved promise is not enough for that. */
export function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}

/**
 * Calls `work` for each item, for at most 100 items concurrently. Resolves to the sum of the results.
 *
 * Rejects when `work` rejects for an item. Then the later batches do not start.
 */
export async function inBatches<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<number>,
): Promise<number> {
  let sum = 0;
  for (const batch of chunksOf(items, batchSize)) {
    const results = await Promise.all(batch.map(work));
    for (const result of results) sum += result;
    // A store in this process may resolve its promises before the event loop runs other work.
    await nextTurn();
  }
  return sum;
}
