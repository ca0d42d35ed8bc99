/** The ends that a node remembers. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RecentEnds, type SessionEnd } from "../../src/session/ends.ts";
import { fakeClock } from "../helpers/curfew.ts";
import { stopwatch } from "../helpers/stopwatch.ts";

function remember({ window = 1_000, capacity = 3 } = {}) {
  const clock = fakeClock(0);
  const ends = new RecentEnds({ window, capacity, uptime: clock });
  return { ends, clock };
}

function end(fingerprint: string, reason: SessionEnd["reason"] = "LOGOUT", at = 5): SessionEnd {
  return { fingerprint, reason, at };
}

const fingerprints = (ends: RecentEnds) => ends.newestFirst().map(({ fingerprint }) => fingerprint);

describe("recent ends", () => {
  test("are known with their reason and time, and the newest comes first", () => {
    const { ends } = remember();
    expect(ends.add(end("a"))).toBe(true);
    expect(ends.add(end("b", "ENDED_BY_USER", 7))).toBe(true);
    expect(ends.get("a")).toMatchObject(end("a"));
    expect(ends.get("c")).toBeUndefined();
    expect(fingerprints(ends)).toEqual(["b", "a"]);
    expect(ends.size).toBe(2);
  });

  test("keep the first reason of a session and its place in the order", () => {
    const { ends } = remember();
    ends.add(end("a", "LOGOUT"));
    ends.add(end("b"));
    expect(ends.add(end("a", "RENEWAL_REUSED", 99))).toBe(false);
    expect(ends.get("a")).toMatchObject(end("a", "LOGOUT"));
    expect(fingerprints(ends)).toEqual(["b", "a"]);
  });

  test("are forgotten when their window is over, which is not early", () => {
    const { ends, clock } = remember();
    ends.add(end("a"));
    clock.advance(600);
    ends.add(end("b"));
    clock.advance(399);
    expect(ends.get("a")).toBeDefined();
    clock.advance(1);
    expect(ends.get("a")).toBeUndefined();
    expect(fingerprints(ends)).toEqual(["b"]);
    expect(ends).toMatchObject({ size: 1, forgottenEarly: 0 });
    expect(ends.add(end("a", "SESSION_LIMIT"))).toBe(true);
  });

  test("beyond the capacity push out the oldest, which is counted", () => {
    const { ends } = remember({ capacity: 2 });
    for (const fingerprint of ["a", "b", "c", "d"]) ends.add(end(fingerprint));
    expect(fingerprints(ends)).toEqual(["d", "c"]);
    expect(ends.forgottenEarly).toBe(2);
  });

  test.for([{ window: 0 }, { capacity: 0 }])("are not kept with %o", (options) => {
    const { ends } = remember(options);
    expect(ends.add(end("a"))).toBe(true);
    expect(ends.get("a")).toBeUndefined();
    expect(ends.size).toBe(0);
  });

  test("behave like a list, whatever is added and however time passes", () => {
    const step = fc.oneof(
      fc.record({ fingerprint: fc.constantFrom("a", "b", "c", "d", "e", "f"), at: fc.nat(9) }),
      fc.record({ wait: fc.nat(700) }),
    );
    const options = { window: fc.nat(1_500), capacity: fc.nat(6) };
    fc.assert(
      fc.property(fc.record(options), fc.array(step, { maxLength: 60 }), (given, steps) => {
        const { ends, clock } = remember(given);
        let model: (SessionEnd & { heardAt: number })[] = [];
        let early = 0;
        for (const one of steps) {
          if ("wait" in one) clock.advance(one.wait);
          model = model.filter(({ heardAt }) => heardAt > clock() - given.window);
          if ("at" in one) {
            const isNew = model.every(({ fingerprint }) => fingerprint !== one.fingerprint);
            expect(ends.add(end(one.fingerprint, "LOGOUT", one.at))).toBe(isNew);
            if (isNew) model.push({ ...end(one.fingerprint, "LOGOUT", one.at), heardAt: clock() });
            if (model.length > given.capacity) {
              model.shift();
              early += 1;
            }
            model = model.filter(({ heardAt }) => heardAt > clock() - given.window);
          }
          expect(ends.newestFirst()).toEqual(model.toReversed());
          expect(ends).toMatchObject({ size: model.length, forgottenEarly: early });
          for (const known of model) expect(ends.get(known.fingerprint)).toEqual(known);
        }
      }),
    );
  });

  test("cost the same when there are too many of them", () => {
    const { ends } = remember({ window: 1e9, capacity: 100_000 });
    const names = Array.from({ length: 400_000 }, (_, i) => `session ${i}`);
    const elapsed = stopwatch();
    for (const name of names) ends.add(end(name));
    // From the front of a map, each of them would pass over up to 100,000 deleted entries: 30 s and more.
    expect(elapsed()).toBeLessThan(5_000);
    expect(ends).toMatchObject({ size: 100_000, forgottenEarly: 300_000 });
    expect(ends.newestFirst()[0]?.fingerprint).toBe("session 399999");
  });
});
