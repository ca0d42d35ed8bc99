/** Many sessions are read again: no more at a time than a store and the event loop can bear, and none is left out. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { StoreUnavailable, type SessionLookup } from "../../src/session/store.ts";
import { bulkRead } from "../../src/connections/bulk-read.ts";
import { until } from "../helpers/until.ts";

const absent: SessionLookup = { state: "absent" };
const away: SessionLookup = { state: "unknown", cause: new StoreUnavailable("It is away") };
const names = (count: number) => Array.from({ length: count }, (_, i) => `session ${i}`);

/** A store whose every answer waits for the test. */
function held() {
  const waiting: (() => void)[] = [];
  const sizes: number[] = [];
  const told = new Map<string, string>();
  const answers = new Map<string, SessionLookup>();
  const begin = (fingerprints: readonly string[]) =>
    bulkRead(fingerprints, {
      read: (some) => {
        sizes.push(some.length);
        const readings = some.map((name) => answers.get(name) ?? absent);
        return new Promise((resolve) => waiting.push(() => resolve(readings)));
      },
      onLookup: (fingerprint, { state }) => {
        expect(told.has(fingerprint)).toBe(false);
        told.set(fingerprint, state);
      },
    });
  return { begin, waiting, sizes, told, answers };
}

it("one batch follows the other where answers come at once", async () => {
  let [underWay, most] = [0, 0];
  const told: string[] = [];
  const failure = await bulkRead(names(1_001), {
    read: async (some) => {
      most = Math.max(most, (underWay += 1));
      await pause(1);
      underWay -= 1;
      return some.map(() => absent);
    },
    onLookup: (fingerprint) => told.push(fingerprint),
  });
  expect([failure, told, most <= 2]).toEqual([undefined, names(1_001), true]);
});

it("where answers take long, sixteen batches are under way and no more", async () => {
  const { begin, waiting, sizes, told } = held();
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
  expect(told.size).toBe(2_050);
});

it("a store of which a part is away is asked for all, and answers for the others", async () => {
  const { begin, waiting, told, answers } = held();
  for (let i = 0; i < 1_000; i += 3) answers.set(`session ${i}`, away);
  const answering = setInterval(() => waiting.shift()?.());
  expect(await begin(names(1_000))).toBeInstanceOf(StoreUnavailable);
  clearInterval(answering);
  expect(told.size).toBe(1_000);
  for (const [name, state] of told) expect(state).toBe(answers.has(name) ? "unknown" : "absent");
});

it("a store that is away is not asked for all: what it was not asked is not known", async () => {
  let reads = 0;
  const told: string[] = [];
  const failure = await bulkRead(names(10_000), {
    read: async () => {
      reads += 1;
      throw new TypeError("It cannot read that");
    },
    onLookup: (_, { state }) => told.push(state),
  });
  expect(failure?.cause).toBeInstanceOf(TypeError);
  expect(reads).toBe(1);
  expect(told).toEqual(Array.from({ length: 10_000 }, () => "unknown"));
});

it("rejects where what is told throws, however many answers come then, and leaves no rejection behind", async () => {
  const reads: (() => void)[] = [];
  const done = bulkRead(names(500), {
    read: (some) => new Promise((resolve) => reads.push(() => resolve(some.map(() => absent)))),
    onLookup: () => {
      throw new Error("a mistake");
    },
  });
  await until(() => reads.length === 5);
  for (const answer of reads) answer();
  await expect(done).rejects.toThrow("a mistake");
});
