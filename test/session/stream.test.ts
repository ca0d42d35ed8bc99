import { describe, expect, test, vi } from "vitest";
import { Stream, StreamOverflow } from "../../src/lib/bounded-queue.ts";

/** A queue of numbers that counts how often it was closed. */
function open(capacity?: number) {
  const closes = { count: 0 };
  return { stream: new Stream<number>(() => void (closes.count += 1), capacity), closes };
}

const value = (one: number) => ({ done: false, value: one });
const done = { done: true, value: undefined };

test("values are read in order, whether the read or the push comes first", async () => {
  const { stream } = open();
  const [first, second] = [stream.next(), stream.next()];
  for (const one of [1, 2, 3, 4]) stream.push(one);
  expect(await Promise.all([first, second, stream.next(), stream.next()])).toEqual(
    [1, 2, 3, 4].map(value),
  );
});

test("for await reads the queue, and leaving the loop closes it once", async () => {
  const { stream, closes } = open();
  for (const one of [1, 2, 3]) stream.push(one);
  const read: number[] = [];
  for await (const one of stream) {
    read.push(one);
    if (one === 2) break;
  }
  expect(read).toEqual([1, 2]);
  expect(closes.count).toBe(1);
});

describe("a source that closes the queue", () => {
  test("leaves queued values readable", async () => {
    const { stream, closes } = open();
    stream.push(1);
    stream.close();
    stream.push(2);
    expect([await stream.next(), await stream.next(), await stream.next()]).toEqual([
      value(1),
      done,
      done,
    ]);
    expect(closes.count).toBe(1);
  });

  test("ends all pending reads", async () => {
    const { stream } = open();
    const waiting = [stream.next(), stream.next()];
    stream.close();
    expect(await Promise.all(waiting)).toEqual([done, done]);
  });
});

describe("a reader that leaves", () => {
  test("ends its own pending read", async () => {
    const { stream, closes } = open();
    const waiting = stream.next();
    expect(await stream.return()).toEqual(done);
    expect(await waiting).toEqual(done);
    expect(closes.count).toBe(1);
  });

  test("drops the queued values", async () => {
    const { stream } = open();
    stream.push(1);
    await stream.return();
    stream.push(2);
    expect(await stream.next()).toEqual(done);
  });

  test("twice closes the queue once", async () => {
    const { stream, closes } = open();
    await stream.return();
    await stream.return();
    stream.close();
    expect(closes.count).toBe(1);
  });

  test("by throw gets its own error back", async () => {
    const { stream, closes } = open();
    const error = new Error("the reader broke");
    await expect(stream.throw(error)).rejects.toBe(error);
    expect(await stream.next()).toEqual(done);
    expect(closes.count).toBe(1);
  });

  test("at the end of its scope closes the queue", async () => {
    const { stream, closes } = open();
    {
      await using scoped = stream;
      scoped.push(1);
    }
    expect(closes.count).toBe(1);
  });
});

describe("a reader that is too slow", () => {
  test("gets an overflow error at the next read and nothing more, and the queue closes once", async () => {
    const { stream, closes } = open(2);
    for (const one of [1, 2]) stream.push(one);
    expect(closes.count).toBe(0);
    for (const one of [3, 4]) stream.push(one);
    expect(closes.count).toBe(1);
    await expect(stream.next()).rejects.toThrow(StreamOverflow);
    expect(await stream.next()).toEqual(done);
    await stream.return();
    expect(closes.count).toBe(1);
  });

  test("is one with more than a thousand queued values by default", async () => {
    const { stream } = open();
    for (let one = 0; one < 1_000; one++) stream.push(one);
    expect(await stream.next()).toEqual(value(0));
    stream.push(1_000);
    stream.push(1_001);
    await expect(stream.next()).rejects.toThrow("More than 1000 events");
  });

  test("is not one that keeps up, however many values come", async () => {
    const { stream } = open(1);
    for (let one = 0; one < 5_000; one++) {
      stream.push(one);
      expect(await stream.next()).toEqual(value(one));
    }
  });
});

test("a reader with too many queued bytes gets an error, however few values they are", async () => {
  const closes = vi.fn();
  const bytes = { most: 10, of: (one: number) => one };
  const stream = new Stream<number>(closes, 100, bytes);
  stream.push(6);
  expect(await stream.next()).toEqual(value(6));
  stream.push(6);
  stream.push(4);
  expect(await stream.next()).toEqual(value(6));
  stream.push(6);
  stream.push(1);
  expect(closes).toHaveBeenCalledTimes(1);
  await expect(stream.next()).rejects.toThrow(StreamOverflow);
  expect(await stream.next()).toEqual(done);
});

test("a queue that fails rejects the first pending read, ends the others and closes once", async () => {
  const { stream, closes } = open();
  expect(stream.isWaiting).toBe(false);
  const [first, second] = [stream.next(), stream.next()];
  expect(stream.isWaiting).toBe(true);
  stream.fail(new Error("It broke"));
  stream.fail(new Error("It broke again"));
  await expect(first).rejects.toThrow("It broke");
  expect(await second).toEqual(done);
  expect(await stream.next()).toEqual(done);
  expect(closes.count).toBe(1);
});
