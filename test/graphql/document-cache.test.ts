/** The document cache is bounded by the length of its documents. */
import { expect, it } from "vitest";
import { boundedCache } from "../../src/graphql/execution/document-cache.ts";

const text = (i: number, length: number) => `${i}`.padEnd(length, "x");

/** Caches a thousand documents, and returns how many are left. */
function left(length: number): number {
  const cache = boundedCache<object>();
  for (let i = 0; i < 1_000; i += 1) cache.set(text(i, length), {});
  return Array.from({ length: 1_000 }, (_, i) => cache.get(text(i, length))).filter(Boolean).length;
}

it("the cache holds 128 short documents or 32 of the longest, and none that is longer", () => {
  expect([left(5), left(1_024), left(4_096), left(4_097)]).toEqual([128, 128, 32, 0]);
});

it("the cache holds the documents that were used last", () => {
  const cache = boundedCache<object>();
  for (let i = 0; i < 1_000; i += 1) {
    cache.set(text(i, 10), {});
    expect(cache.get(text(0, 10))).toBeDefined();
  }
  expect(cache.get(text(1, 10))).toBeUndefined();
  expect(cache.get(text(999, 10))).toBeDefined();
});

it("the cache counts a document once that is set twice", () => {
  const cache = boundedCache<object>();
  cache.set("other", {});
  for (let i = 0; i < 1_000; i += 1) cache.set("same", {});
  expect(cache.get("other")).toBeDefined();
});
