import { describe, expect, test, vi } from "vitest";
import { Stream, StreamOverflow } from "../../src/lib/bounded-queue.ts";

/** A stream of numbers that counts how often it was cleaned up. */
function open(capacity?: number) {
  const closes = { count: 0 };
  return { stream: new Stream<number>(() => void (closes.count += 1), capacity), closes };
}

const value = (one: number) => ({ done: false, value: one });
const done = { done: true, value: undefined };

test("what is pushed is read, in order, whether it was waited for or not", async () => {
  const { stream } = open();
  const [first, second] = [stream.next(), stream.next()];
  for (const one of [1, 2, 3, 4]) stream.push(one);
  expect(await Promise.all([first, second, stream.next(), stream.next()])).toEqual(
    [1, 2, 3, 4].map(value),
  );
});

test("it is read by for await, and leaving the loop cleans up once", async () => {
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

describe("the source closes it", () => {
  test("and what is queued can still be read", async () => {
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

  test("and everybody who waits is let go", async () => {
    const { stream } = open();
    const waiting = [stream.next(), stream.next()];
    stream.close();
    expect(await Promise.all(waiting)).toEqual([done, done]);
  });
});

describe("the reader leaves", () => {
  test("while a read of his waits, and it ends", async () => {
    const { stream, closes } = open();
    const waiting = stream.next();
    expect(await stream.return()).toEqual(done);
    expect(await waiting).toEqual(done);
    expect(closes.count).toBe(1);
  });

  test("and nothing that was queued is delivered any more", async () => {
    const { stream } = open();
    stream.push(1);
    await stream.return();
    stream.push(2);
    expect(await stream.next()).toEqual(done);
  });

  test("twice, and it is cleaned up once", async () => {
    const { stream, closes } = open();
    await stream.return();
    await stream.return();
    stream.close();
    expect(closes.count).toBe(1);
  });

  test("with an error, and it is his own", async () => {
    const { stream, closes } = open();
    const error = new Error("the reader broke");
    await expect(stream.throw(error)).rejects.toBe(error);
    expect(await stream.next()).toEqual(done);
    expect(closes.count).toBe(1);
  });

  test("by the end of its scope", async () => {
    const { stream, closes } = open();
    {
      await using scoped = stream;
      scoped.push(1);
    }
    expect(closes.count).toBe(1);
  });
});

describe("a reader too slow for it", () => {
  test("is told at the next read, gets nothing more, and is cleaned up once", async () => {
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

  test("is the one who lets a thousand events wait, unless it is said otherwise", async () => {
    const { stream } = open();
    for (let one = 0; one < 1_000; one++) stream.push(one);
    expect(await stream.next()).toEqual(value(0));
    stream.push(1_000);
    stream.push(1_001);
    await expect(stream.next()).rejects.toThrow("More than 1000 events");
  });

  test("is not one who keeps up, however much comes", async () => {
    const { stream } = open(1);
    for (let one = 0; one < 5_000; one++) {
      stream.push(one);
      expect(await stream.next()).toEqual(value(one));
    }
  });
});

test("a reader that lets too many bytes wait gets an error, however few values they are", async () => {
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

test("a stream that fails rejects the read that waits, ends the others and is cleaned up once", async () => {
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
