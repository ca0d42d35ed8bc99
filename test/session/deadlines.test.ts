import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Deadlines } from "../../src/lib/deadlines.ts";
import { rethrowReported } from "../helpers/domain.ts";

const start = Date.UTC(2030, 0, 1);
const resolution = 250;

test("a deadline's callback never runs early, and at most one slot late", () => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000 }), fc.nat({ max: 1_000 }), (delay, offset) => {
      const deadlines = new Deadlines(start + offset, rethrowReported);
      const due = start + offset + delay;
      let now = start + offset;
      const met: number[] = [];
      deadlines.set(due, () => met.push(now));
      for (; now <= due + resolution; now++) deadlines.tick(now);
      expect(met).toHaveLength(1);
      expect(met[0]).toBeGreaterThanOrEqual(due);
    }),
    { numRuns: 30 },
  );
});

test("a deadline's callback runs once", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  let met = 0;
  deadlines.set(start + 1_000, () => (met += 1));
  for (const wait of [1_000, 1_000, 2_000, 60_000]) deadlines.tick(start + wait);
  expect(met).toBe(1);
  expect(deadlines.size).toBe(0);
});

test("a deadline in the past runs at the next tick", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  let met = 0;
  deadlines.tick(start + 10_000);
  deadlines.set(start, () => (met += 1));
  deadlines.tick(start + 10_000 + resolution);
  expect(met).toBe(1);
});

test("a deadline that a callback sets in the past still runs", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  const met: string[] = [];
  deadlines.set(start + 1_000, () => {
    met.push("first");
    deadlines.set(start, () => met.push("second"));
  });
  deadlines.tick(start + 1_000);
  deadlines.tick(start + 1_000 + resolution);
  expect(met).toEqual(["first", "second"]);
  expect(deadlines.size).toBe(0);
});

test("a callback that throws is reported and stops no other", () => {
  const faults: unknown[] = [];
  const fault = new Error("broken");
  const deadlines = new Deadlines(start, (_what, error) => faults.push(error));
  const met: string[] = [];
  deadlines.set(start + 1_000, () => {
    throw fault;
  });
  deadlines.set(start + 1_000, () => met.push("at the same time"));
  deadlines.set(start + 2_000, () => met.push("later"));
  deadlines.tick(start + 2_000);
  expect(met).toEqual(["at the same time", "later"]);
  expect(faults).toEqual([fault]);
});

test("a callback may cancel another of the same slot", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  const met: string[] = [];
  deadlines.set(start + 1_000, () => {
    met.push("first");
    cancelSecond();
  });
  const cancelSecond = deadlines.set(start + 1_000, () => met.push("second"));
  deadlines.tick(start + 1_000);
  expect(met).toEqual(["first"]);
});

test("a callback may cancel itself without effect", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  const cancel = deadlines.set(start, () => cancel());
  deadlines.tick(start);
  cancel();
  expect(deadlines.size).toBe(0);
});

test("cancelling one of two deadlines of a slot leaves the other", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  const met: string[] = [];
  const cancel = deadlines.set(start + 1_000, () => met.push("first"));
  deadlines.set(start + 1_000, () => met.push("second"));
  cancel();
  cancel();
  expect(deadlines.size).toBe(1);
  deadlines.tick(start + 1_000);
  expect(met).toEqual(["second"]);
});

test("cancelling a deadline that has run leaves later ones of the same slot, after the clock is set back", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  const met: string[] = [];
  const cancel = deadlines.set(start + 1_000, () => met.push("first"));
  deadlines.tick(start + 1_000);
  deadlines.tick(start);
  deadlines.set(start + 1_000, () => met.push("second"));
  cancel();
  expect(deadlines.size).toBe(1);
  deadlines.tick(start + 1_000);
  expect(met).toEqual(["first", "second"]);
});

test("after the clock is set back, no callback runs twice or early", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  let met = 0;
  deadlines.tick(start + 5_000);
  deadlines.set(start + 10_000, () => (met += 1));
  deadlines.tick(start - 60_000);
  expect(met).toBe(0);
  deadlines.tick(start + 10_000);
  deadlines.tick(start + 9_000);
  expect(met).toBe(1);
});

test("after the clock is set back, new deadlines follow the new time", () => {
  const deadlines = new Deadlines(start, rethrowReported);
  const met: string[] = [];
  deadlines.set(start + 1_000, () => met.push("before"));
  deadlines.tick(start - 60_000);
  deadlines.set(start - 59_000, () => met.push("after"));
  deadlines.tick(start - 59_000);
  expect(met).toEqual(["after"]);
  deadlines.tick(start + 1_000);
  expect(met).toEqual(["after", "before"]);
});

test("a clock that jumps from 1970 to today runs the due callbacks without delay", () => {
  const deadlines = new Deadlines(0, rethrowReported);
  const met: string[] = [];
  deadlines.set(2_000, () => met.push("second"));
  deadlines.set(1_000, () => met.push("first"));
  deadlines.set(start + 1_000, () => met.push("not yet"));
  deadlines.tick(start);
  expect(met).toEqual(["first", "second"]);
});

/** An entry of a plain list, the model of the deadlines. */
interface Entry {
  readonly due: number;
  /** The latest time for the callback, if there is a tick. */
  readonly latest: number;
  open: boolean;
  cancel: () => void;
}

test("any sequence of sets, cancels and ticks has the same result as with a plain list", () => {
  const step = fc.oneof(
    fc.record({ what: fc.constant("set" as const), time: fc.integer({ min: -500, max: 5_000 }) }),
    fc.record({ what: fc.constant("cancel" as const), which: fc.nat({ max: 20 }) }),
    fc.record({ what: fc.constant("tick" as const), time: fc.nat({ max: 2_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const deadlines = new Deadlines(start, rethrowReported);
      const list: Entry[] = [];
      let now = start;
      const set = (due: number): void => {
        const latest = Math.max(due, now) + resolution;
        const entry: Entry = { due, latest, open: true, cancel: () => {} };
        list.push(entry);
        entry.cancel = deadlines.set(due, () => {
          expect(entry.open).toBe(true);
          expect(now).toBeGreaterThanOrEqual(due);
          entry.open = false;
        });
      };
      const tick = (time: number): void => {
        deadlines.tick((now += time));
        for (const { open, latest } of list) if (open) expect(now).toBeLessThan(latest);
      };
      const cancel = (entry: Entry | undefined): void => {
        entry?.cancel();
        if (entry) entry.open = false;
      };

      for (const one of steps) {
        if (one.what === "set") set(now + one.time);
        else if (one.what === "tick") tick(one.time);
        else cancel(list[one.which]);
        expect(deadlines.size).toBe(list.filter(({ open }) => open).length);
      }
      tick(5_000 + resolution);
      expect(deadlines.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});
