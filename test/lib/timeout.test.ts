/** A wait for a promise that ends at a time-out. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { timedOut, withTimeout } from "../../src/lib/timeout.ts";

describe("withTimeout", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("resolves to the promise's value and clears its timer", async () => {
    await expect(withTimeout(Promise.resolve("value"), 1_000)).resolves.toBe("value");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("rejects with the promise's error and clears its timer", async () => {
    const error = new Error("broken");
    await expect(withTimeout(Promise.reject(error), 1_000)).rejects.toBe(error);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("resolves to timedOut when the promise is still pending after the time-out", async () => {
    const settled = vi.fn();
    const wait = withTimeout(new Promise(() => {}), 1_000).then(settled);
    await vi.advanceTimersByTimeAsync(999);
    expect(settled).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await wait;
    expect(settled).toHaveBeenCalledWith(timedOut);
  });

  test("ignores a rejection that comes after the time-out", async () => {
    const work = Promise.withResolvers<never>();
    const wait = withTimeout(work.promise, 1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    await expect(wait).resolves.toBe(timedOut);
    work.reject(new Error("late"));
    // An unhandled rejection would fail the run.
    await vi.advanceTimersByTimeAsync(1_000);
  });
});
