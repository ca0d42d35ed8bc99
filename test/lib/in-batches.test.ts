/** Large work in batches, with turns of the event loop between them. */
import { describe, expect, test } from "vitest";
import { chunksOf, inBatches, nextTurn } from "../../src/lib/in-batches.ts";

const numbers = (length: number) => Array.from({ length }, (_, i) => i);

describe("chunksOf", () => {
  test.each([
    [0, []],
    [1, [[0]]],
    [3, [[0, 1, 2]]],
    [4, [[0, 1, 2], [3]]],
  ])("%i items in chunks of 3 keep their order", (length, expected) => {
    expect(chunksOf(numbers(length), 3)).toEqual(expected);
  });
});

test("nextTurn resolves after an immediate that was set before", async () => {
  let isRun = false;
  setImmediate(() => (isRun = true));
  await nextTurn();
  expect(isRun).toBe(true);
});

describe("inBatches", () => {
  test("works on at most 100 items at a time, and on all of them", async () => {
    let inFlight = 0;
    let most = 0;
    const done: number[] = [];
    const sum = await inBatches(numbers(250), async (item) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await Promise.resolve();
      inFlight -= 1;
      done.push(item);
      return 1;
    });
    expect(sum).toBe(250);
    expect(new Set(done).size).toBe(250);
    expect(most).toBe(100);
  });

  test("lets the event loop run between batches when the work resolves at once", async () => {
    let turns = 0;
    const count = () => {
      turns += 1;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await inBatches(numbers(500), () => Promise.resolve(1));
    clearImmediate(immediate);
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  test("leaves later batches out when the work on an item rejects", async () => {
    let begun = 0;
    const work = () => {
      begun += 1;
      return begun === 50 ? Promise.reject(new Error("broken")) : Promise.resolve(1);
    };
    await expect(inBatches(numbers(250), work)).rejects.toThrow("broken");
    expect(begun).toBe(100);
  });
});
