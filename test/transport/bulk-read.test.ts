/** Bulk reads of sessions: their concurrency is limited, and no session is left out. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { StoreUnavailable, type SessionLookup } from "../../src/session/store.ts";
import { bulkRead } from "../../src/connections/bulk-read.ts";
import { until } from "../helpers/until.ts";

const absent: SessionLookup = { state: "absent" };
const unavailable: SessionLookup = { state: "unknown", cause: new StoreUnavailable("It is away") };
const names = (count: number) => Array.from({ length: count }, (_, i) => `session ${i}`);

/** A store whose answers wait for the test. */
function startHeldReads() {
  const waiting: (() => void)[] = [];
  const sizes: number[] = [];
  const lookups = new Map<string, string>();
  const answers = new Map<string, SessionLookup>();
  const begin = (fingerprints: readonly string[]) =>
    bulkRead(fingerprints, {
      read: (batch) => {
        sizes.push(batch.length);
        const results = batch.map((name) => answers.get(name) ?? absent);
        return new Promise((resolve) => waiting.push(() => resolve(results)));
      },
      onLookup: (fingerprint, { state }) => {
        expect(lookups.has(fingerprint)).toBe(false);
        lookups.set(fingerprint, state);
      },
    });
  return { begin, waiting, sizes, lookups, answers };
}

it("batches run one after another if the store answers at once", async () => {
  let [inFlight, most] = [0, 0];
  const lookups: string[] = [];
  const failure = await bulkRead(names(1_001), {
    read: async (batch) => {
      most = Math.max(most, (inFlight += 1));
      await pause(1);
      inFlight -= 1;
      return batch.map(() => absent);
    },
    onLookup: (fingerprint) => lookups.push(fingerprint),
  });
  expect([failure, lookups, most <= 2]).toEqual([undefined, names(1_001), true]);
});

it("at most sixteen batches are in flight if answers take long", async () => {
  const { begin, waiting, sizes, lookups } = startHeldReads();
  const done = begin(names(2_050));
  await until(() => waiting.length === 16);
  await pause(100);
  expect(sizes).toEqual(Array.from({ length: 16 }, () => 100));
  waiting.shift()?.();
  await until(() => sizes.length === 17);
  const rest = setInterval(() => waiting.shift()?.());
  expect(await done).toBeUndefined();
  clearInterval(rest);
  expect(sizes.at(-1)).toBe(50);
  expect(lookups.size).toBe(2_050);
});

it("all sessions are read if only a part of the store is unavailable", async () => {
  const { begin, waiting, lookups, answers } = startHeldReads();
  for (let i = 0; i < 1_000; i += 3) answers.set(`session ${i}`, unavailable);
  const answering = setInterval(() => waiting.shift()?.());
  expect(await begin(names(1_000))).toBeInstanceOf(StoreUnavailable);
  clearInterval(answering);
  expect(lookups.size).toBe(1_000);
  for (const [name, state] of lookups) expect(state).toBe(answers.has(name) ? "unknown" : "absent");
});

it("reading stops if the store is unavailable, and the remaining sessions count as unknown", async () => {
  let reads = 0;
  const lookups: string[] = [];
  const failure = await bulkRead(names(10_000), {
    read: async () => {
      reads += 1;
      throw new TypeError("It cannot read that");
    },
    onLookup: (_, { state }) => lookups.push(state),
  });
  expect(failure?.cause).toBeInstanceOf(TypeError);
  expect(reads).toBe(1);
  expect(lookups).toEqual(Array.from({ length: 10_000 }, () => "unknown"));
});

it("a bulk read rejects if its callback throws, and leaves no unhandled rejection", async () => {
  const reads: (() => void)[] = [];
  const done = bulkRead(names(500), {
    read: (batch) => new Promise((resolve) => reads.push(() => resolve(batch.map(() => absent)))),
    onLookup: () => {
      throw new Error("a mistake");
    },
  });
  await until(() => reads.length === 5);
  for (const answer of reads) answer();
  await expect(done).rejects.toThrow("a mistake");
});
