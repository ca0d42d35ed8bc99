/** The order in which the limiter serves clients, and the calls that it refuses. */
import { AsyncLocalStorage } from "node:async_hooks";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConcurrencyLimiter, type ClientPath } from "../../src/lib/concurrency-limiter.ts";

/** Calls that run until the test lets the oldest of them finish. */
function harness(limits: ConstructorParameters<typeof ConcurrencyLimiter>[0]) {
  const limiter = new ConcurrencyLimiter(limits);
  const started: string[] = [];
  const refused: string[] = [];
  const running: (() => void)[] = [];
  const calls: Promise<unknown>[] = [];
  const call = (client: ClientPath, name = client.join("/")) => {
    const work = async () => {
      started.push(name);
      await new Promise<void>((resolve) => running.push(resolve));
    };
    const outcome = limiter.run(client, work).then((result) => {
      if (result === "busy") refused.push(name);
    });
    calls.push(outcome);
  };
  /** Lets pending reactions run. */
  const settle = () => new Promise(setImmediate);
  const finishOne = async () => {
    running.shift()?.();
    await settle();
  };
  const finishAll = async () => {
    for (;;) {
      await settle();
      if (running.length === 0) break;
      await finishOne();
    }
    await Promise.all(calls);
  };
  return { limiter, started, refused, running, call, settle, finishOne, finishAll };
}

describe("a limiter with free capacity", () => {
  it("starts a call at once, before it returns", async () => {
    const { started, call, finishAll } = harness({ atOnce: 2, waiting: 0 });
    call(["a"]);
    call(["b"]);
    expect(started).toEqual(["a", "b"]);
    await finishAll();
  });

  it("resolves and rejects as the work does", async () => {
    const limiter = new ConcurrencyLimiter({ atOnce: 1, waiting: 1 });
    expect(await limiter.run(["a"], async () => 7)).toBe(7);
    const error = new Error("from the work");
    await expect(limiter.run(["a"], () => Promise.reject(error))).rejects.toBe(error);
    // A failed call releases its capacity.
    expect(await limiter.run(["a"], async () => 8)).toBe(8);
  });
});

describe("a limiter without free capacity", () => {
  it("serves clients round-robin, and the calls of one client in their order", async () => {
    const { started, call, finishAll } = harness({ atOnce: 1, waiting: 10 });
    call(["first"]);
    for (const name of ["a1", "a2", "a3", "a4"]) call(["a"], name);
    for (const name of ["b1", "b2"]) call(["b"], name);
    call(["c"], "c1");
    await finishAll();
    expect(started).toEqual(["first", "a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
  });

  it("serves groups round-robin, and within a group its clients round-robin", async () => {
    const { started, call, finishAll } = harness({ atOnce: 1, waiting: 20 });
    call(["first"]);
    for (const account of ["a", "b", "c"])
      for (const n of [1, 2]) call(["x", account], `x${account}${n}`);
    for (const n of [1, 2]) call(["y", "a"], `ya${n}`);
    await finishAll();
    expect(started).toEqual(["first", "xa1", "ya1", "xb1", "ya2", "xc1", "xa2", "xb2", "xc2"]);
  });

  it("treats a path that is a prefix of another as a separate client", async () => {
    const { started, call, finishAll } = harness({ atOnce: 1, waiting: 10 });
    call(["first"]);
    for (const path of [["a", "b"], ["a", "b"], ["a"], []]) call(path, path.join("/") || "none");
    await finishAll();
    expect(started).toEqual(["first", "a/b", "none", "a", "a/b"]);
  });

  it("runs work in the async context of its own caller", async () => {
    const storage = new AsyncLocalStorage<string>();
    const limiter = new ConcurrencyLimiter({ atOnce: 1, waiting: 5 });
    const names = ["a", "b", "c"];
    const generationAtRead = await Promise.all(
      names.map((name) =>
        storage.run(name, () => limiter.run([name], async () => storage.getStore())),
      ),
    );
    expect(generationAtRead).toEqual(names);
  });
});

describe("a limiter whose queue is full", () => {
  it("refuses the client that fills it", async () => {
    const { refused, call, settle, finishAll } = harness({ atOnce: 1, waiting: 2 });
    for (const name of ["a1", "a2", "a3", "a4"]) call(["a"], name);
    await settle();
    expect(refused).toEqual(["a4"]);
    await finishAll();
  });

  it("displaces the newest call of the client with the most waiting calls", async () => {
    const { started, refused, call, settle, finishAll } = harness({ atOnce: 1, waiting: 4 });
    call(["first"]);
    for (const name of ["a1", "a2", "a3"]) call(["a"], name);
    call(["b"], "b1");
    call(["c"], "c1");
    call(["b"], "b2");
    await settle();
    // After c1 the queue has two calls of a, and one each of b and c: a second call of b would only swap with one of a.
    expect(refused).toEqual(["a3", "b2"]);
    await finishAll();
    expect(started).toEqual(["first", "a1", "b1", "c1", "a2"]);
  });

  it("displaces within the new call's own group when no other group has more", async () => {
    const { refused, call, settle, finishAll } = harness({ atOnce: 1, waiting: 4 });
    call(["first"]);
    for (const name of ["xa1", "xa2", "xa3"]) call(["x", "a"], name);
    call(["y", "a"], "ya1");
    call(["x", "b"], "xb1");
    await settle();
    expect(refused).toEqual(["xa3"]);
    await finishAll();
  });

  it("refuses a client at its own limit of waiting calls", async () => {
    const { refused, call, settle, finishAll } = harness({ atOnce: 1, waiting: 9, waitingEach: 2 });
    call(["first"]);
    for (const name of ["a1", "a2", "a3"]) call(["a"], name);
    call(["b"], "b1");
    await settle();
    expect(refused).toEqual(["a3"]);
    await finishAll();
  });
});

const networks = fc.constantFrom("x", "y", "z");
const accounts = fc.constantFrom("a", "b", "c");
const clients = fc.oneof(
  fc.tuple(networks, accounts),
  fc.tuple(networks),
) as fc.Arbitrary<ClientPath>;
const steps = fc.array(
  fc.oneof({ arbitrary: clients, weight: 3 }, fc.constant("finish" as const)),
  {
    maxLength: 60,
  },
);

/** Runs a schedule and passes each state to the check. */
async function play(
  schedule: readonly (ClientPath | "finish")[],
  limits: { readonly atOnce: number; readonly waiting: number },
  check: (state: ReturnType<typeof harness>, calls: readonly ClientPath[]) => void,
) {
  const state = harness(limits);
  const calls: ClientPath[] = [];
  for (const step of schedule) {
    if (step === "finish") await state.finishOne();
    else {
      state.call(step, String(calls.length));
      calls.push(step);
      await state.settle();
    }
    check(state, calls);
  }
  return { ...state, calls };
}

describe("in any order of calls and completions", () => {
  const limits = { atOnce: 2, waiting: 5 };

  it("the limits hold, and no capacity is unused while calls wait", () =>
    fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        const { finishAll } = await play(schedule, limits, ({ limiter, running }) => {
          expect(running.length).toBeLessThanOrEqual(limits.atOnce);
          expect(limiter.waiting).toBeLessThanOrEqual(limits.waiting);
          if (running.length < limits.atOnce) expect(limiter.waiting).toBe(0);
        });
        await finishAll();
      }),
      { numRuns: 100 },
    ));

  it("each call either runs once or is refused once, and nothing is left over", () =>
    fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        const { started, refused, calls, limiter, finishAll } = await play(
          schedule,
          limits,
          () => {},
        );
        await finishAll();
        const all = [...started, ...refused].map(Number).toSorted((a, b) => a - b);
        expect(all).toEqual(calls.map((_, index) => index));
        expect(limiter.waiting).toBe(0);
      }),
      { numRuns: 100 },
    ));

  it("the calls of one client start in their order", () =>
    fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        const { started, calls, finishAll } = await play(schedule, limits, () => {});
        await finishAll();
        for (const client of new Set(calls.map((path) => path.join("/")))) {
          const own = started.map(Number).filter((index) => calls[index]?.join("/") === client);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 100 },
    ));

  it("a network without waiting calls is refused only when no network has two of them", () =>
    fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        const { call, settle, refused, started, calls, finishAll } = await play(
          schedule,
          limits,
          () => {},
        );
        const done = new Set([...started, ...refused]);
        const waiting = new Map<string, number>();
        calls.forEach(([network = ""], index) => {
          if (!done.has(String(index))) waiting.set(network, (waiting.get(network) ?? 0) + 1);
        });
        call(["new"], "new");
        await settle();
        const isFull = [...waiting.values()].reduce((sum, n) => sum + n, 0) === limits.waiting;
        const isCrowded = Math.max(0, ...waiting.values()) > 1;
        expect(refused.includes("new")).toBe(isFull && !isCrowded);
        await finishAll();
      }),
      { numRuns: 100 },
    ));

  it("a client's only call waits for at most one call of each other network", () =>
    fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        const { call, settle, started, finishOne, finishAll, refused, calls } = await play(
          schedule,
          { atOnce: 1, waiting: 1_000 },
          () => {},
        );
        call(["new"], "new");
        await settle();
        const before = started.length;
        while (!started.includes("new")) await finishOne();
        const between = started.slice(before, started.indexOf("new")).map(Number);
        const served = between.map((index) => calls[index]?.[0]);
        expect(new Set(served).size).toBe(served.length);
        expect(refused).toEqual([]);
        await finishAll();
      }),
      { numRuns: 100 },
    ));
});
