/** Work that yields to the event loop after a limited number of items. */
import { describe, expect, test } from "vitest";
import { nextTurn } from "../../src/lib/in-batches.ts";
import { TurnBudget, YieldingQueue } from "../../src/lib/yielding-queue.ts";

/** A turn that ends when the test says so. */
function manualTurns() {
  const scheduled: (() => void)[] = [];
  return {
    scheduled,
    yieldTurn: (then: () => void) => void scheduled.push(then),
    endTurn: () => scheduled.splice(0).forEach((then) => then()),
  };
}

describe("a turn's budget", () => {
  test("is spent after its units and refilled once in the next turn", () => {
    const { scheduled, yieldTurn, endTurn } = manualTurns();
    let refills = 0;
    const budget = new TurnBudget(2, () => (refills += 1), yieldTurn);
    expect(budget.isSpent).toBe(false);
    budget.spend();
    expect(budget.isSpent).toBe(false);
    budget.spend();
    expect(budget.isSpent).toBe(true);
    expect(scheduled).toHaveLength(1);
    endTurn();
    expect(refills).toBe(1);
    expect(budget.isSpent).toBe(false);
  });

  test("schedules nothing while nothing is spent", () => {
    const { scheduled, yieldTurn, endTurn } = manualTurns();
    const budget = new TurnBudget(2, () => {}, yieldTurn);
    expect(scheduled).toHaveLength(0);
    budget.spend();
    endTurn();
    expect(scheduled).toHaveLength(0);
  });
});

describe("a yielding queue", () => {
  test("handles a turn's items at once and the others in later turns, in their order", async () => {
    const handled: number[] = [];
    const queue = new YieldingQueue<number>(2, (item) => handled.push(item));
    for (const item of [1, 2, 3, 4, 5]) queue.add(item);
    expect(handled).toEqual([1, 2]);
    await nextTurn();
    expect(handled).toEqual([1, 2, 3, 4]);
    queue.add(6);
    await nextTurn();
    expect(handled).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("handles at once what is added after the queue has drained", async () => {
    const handled: number[] = [];
    const queue = new YieldingQueue<number>(1, (item) => handled.push(item));
    queue.add(1);
    await nextTurn();
    queue.add(2);
    expect(handled).toEqual([1, 2]);
  });

  test("handles what a handler adds in its order and within the turn's budget", async () => {
    const handled: string[] = [];
    const queue = new YieldingQueue<string>(2, (item) => {
      handled.push(item);
      if (item.length === 1) queue.add(`${item}+`);
    });
    for (const item of ["a", "b", "c"]) queue.add(item);
    expect(handled).toEqual(["a", "a+"]);
    await nextTurn();
    expect(handled).toEqual(["a", "a+", "b", "c"]);
    await nextTurn();
    expect(handled).toEqual(["a", "a+", "b", "c", "b+", "c+"]);
  });
});
