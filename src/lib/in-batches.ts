/** Does much without holding up others: a bounded number at a time, and the event loop in between. */

const atOnce = 100;

/** The sum of what the work gives for each. Rejects when one does; those of later batches are then left. */
export async function inBatches<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<number>,
): Promise<number> {
  let sum = 0;
  for (let start = 0; start < items.length; start += atOnce) {
    const results = await Promise.all(items.slice(start, start + atOnce).map(work));
    for (const result of results) sum += result;
    // A store in this process answers at once: the event loop gets its turn all the same.
    await new Promise(setImmediate);
  }
  return sum;
}
