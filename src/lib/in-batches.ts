/** Splits large work into batches, and lets the event loop run other work between them. */

/** Items that `inBatches` works on concurrently. */
const batchSize = 100;

/** The items in their order, in arrays of at most `size`. */
export function chunksOf<Item>(items: readonly Item[], size: number): (readonly Item[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Resolves after the event loop has run other work. A promise that is resolved already does not wait for that. */
export function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}

/**
 * Works on at most 100 items at a time and resolves to the sum of the results.
 *
 * Rejects when the work on an item rejects; then the items of later batches are left out.
 */
export async function inBatches<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<number>,
): Promise<number> {
  let sum = 0;
  for (const batch of chunksOf(items, batchSize)) {
    const results = await Promise.all(batch.map(work));
    for (const result of results) sum += result;
    // A store in this process may resolve without a turn of the event loop.
    await nextTurn();
  }
  return sum;
}
