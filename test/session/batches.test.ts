/** Much work, a bounded part of it at a time. */
import { expect, test } from "vitest";
import { inBatches } from "../../src/lib/in-batches.ts";

test("no more than a hundred are under way at a time, and all are done", async () => {
  let underWay = 0;
  let most = 0;
  const done: number[] = [];
  const sum = await inBatches(
    Array.from({ length: 250 }, (_, i) => i),
    async (item) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await Promise.resolve();
      underWay -= 1;
      done.push(item);
      return 1;
    },
  );
  expect(sum).toBe(250);
  expect(new Set(done).size).toBe(250);
  expect(most).toBe(100);
});

test("the event loop has its turn between them, however fast the work is", async () => {
  let admissionLimiter = 0;
  const count = () => {
    admissionLimiter += 1;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  await inBatches(Array.from({ length: 500 }), () => Promise.resolve(1));
  clearImmediate(immediate);
  expect(admissionLimiter).toBeGreaterThanOrEqual(4);
});

test("what fails leaves those of later batches undone", async () => {
  let begun = 0;
  const work = () => {
    begun += 1;
    return begun === 50 ? Promise.reject(new Error("broken")) : Promise.resolve(1);
  };
  await expect(inBatches(Array.from({ length: 250 }), work)).rejects.toThrow("broken");
  expect(begun).toBe(100);
});
