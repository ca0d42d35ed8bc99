import { expect, test } from "vitest";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { type CloseReason } from "../../src/protocol/close-reasons.ts";
import { rethrowReported } from "../helpers/domain.ts";
import { until } from "../helpers/until.ts";

/** A lifecycle that counts its listeners. */
class CountedLifecycle extends ConnectionLifecycle {
  listeners = 0;

  override onEnd(listener: (ending: CloseReason) => void): () => void {
    this.listeners += 1;
    const forget = super.onEnd(listener);
    return () => {
      this.listeners -= 1;
      forget();
    };
  }
}

function listenTo(lifecycle: ConnectionLifecycle): CloseReason[] {
  const heard: CloseReason[] = [];
  lifecycle.onEnd((ending) => heard.push(ending));
  return heard;
}

test("the first close reason counts, and every listener is called once", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const [one, two] = [listenTo(lifecycle), listenTo(lifecycle)];
  expect(lifecycle.closeReason).toBeUndefined();
  lifecycle.end("SESSION_ENDED");
  lifecycle.end("SERVICE_RESTART");
  expect(lifecycle.closeReason).toBe("SESSION_ENDED");
  expect([one, two]).toEqual([["SESSION_ENDED"], ["SESSION_ENDED"]]);
});

test("a listener that is added after the end is called at once", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  lifecycle.end("SESSION_EXPIRED");
  expect(listenTo(lifecycle)).toEqual(["SESSION_EXPIRED"]);
});

test("a listener may add another one, which is called too", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard: CloseReason[] = [];
  lifecycle.onEnd(() => lifecycle.onEnd((ending) => heard.push(ending)));
  lifecycle.end("SESSION_ENDED");
  expect(heard).toEqual(["SESSION_ENDED"]);
});

test("a removed listener is not called", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard: CloseReason[] = [];
  lifecycle.onEnd((ending) => heard.push(ending))();
  lifecycle.end("SESSION_ENDED");
  expect(heard).toEqual([]);
});

test("a listener that throws or rejects is reported and stops no other", async () => {
  const faults: unknown[] = [];
  const lifecycle = new ConnectionLifecycle((_what, error) => faults.push(error));
  const [first, second, third] = [new Error("first"), new Error("second"), new Error("third")];
  lifecycle.onEnd(() => {
    throw first;
  });
  lifecycle.onEnd(async () => Promise.reject(second));
  const heard = listenTo(lifecycle);
  lifecycle.end("SESSION_ENDED");
  lifecycle.onEnd(() => {
    throw third;
  });
  expect(heard).toEqual(["SESSION_ENDED"]);
  await until(() => faults.length === 3);
  expect(faults).toEqual(expect.arrayContaining([first, second, third]));
});

test("a lifecycle that is marked closed has a close reason before any listener is called", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  lifecycle.markClosed("SESSION_ENDED");
  expect(lifecycle.closeReason).toBe("SESSION_ENDED");
  expect(heard).toEqual([]);
  lifecycle.end("SERVICE_RESTART");
  expect(heard).toEqual(["SESSION_ENDED"]);
});

test("a listener that is added after marking is called with the others", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  lifecycle.markClosed("SESSION_ENDED");
  const heard = listenTo(lifecycle);
  expect(heard).toEqual([]);
  lifecycle.end("SESSION_ENDED");
  expect(heard).toEqual(["SESSION_ENDED"]);
});

test("a close that waits for a reply ends the lifecycle when the reply is finished", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  const reply = {};
  lifecycle.closeAfter(reply);
  lifecycle.end("SESSION_ENDED");
  expect(lifecycle.closeReason).toBe("SESSION_ENDED");
  expect(heard).toEqual([]);
  lifecycle.finishReply(reply);
  lifecycle.finishReply(reply);
  expect(heard).toEqual(["SESSION_ENDED"]);
});

test("a close that waits for two replies needs both", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  const [one, two] = [{}, {}];
  lifecycle.closeAfter(one);
  lifecycle.closeAfter(two);
  lifecycle.end("SESSION_ENDED");
  lifecycle.finishReply(one);
  expect(heard).toEqual([]);
  lifecycle.finishReply(two);
  expect(heard).toEqual(["SESSION_ENDED"]);
});

test("the close of a client that has left waits for no reply", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  lifecycle.closeAfter({});
  lifecycle.end("CLIENT_GONE");
  expect(heard).toEqual(["CLIENT_GONE"]);
});

test("a finished reply without a close reason keeps the lifecycle open, and it can end later", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  const reply = {};
  lifecycle.closeAfter(reply);
  lifecycle.finishReply(reply);
  expect(heard).toEqual([]);
  lifecycle.end("SESSION_EXPIRED");
  expect(heard).toEqual(["SESSION_EXPIRED"]);
});

test("a race resolves or rejects as the promise does", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const never = (): never => expect.unreachable();
  await expect(lifecycle.race(Promise.resolve(1), never)).resolves.toBe(1);
  await expect(lifecycle.race(Promise.reject(new Error("broken")), never)).rejects.toThrow(
    "broken",
  );
});

test("a race resolves to the result for the close reason when the end comes first", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const pending = Promise.withResolvers<string>();
  const race = lifecycle.race(pending.promise, (ending) => ending as string);
  lifecycle.end("SESSION_ENDED");
  pending.resolve("too late");
  await expect(race).resolves.toBe("SESSION_ENDED");
});

test("a race rejects when the callback for its end throws", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const fault = new Error("broken");
  const race = lifecycle.race(new Promise(() => {}), () => {
    throw fault;
  });
  lifecycle.end("SESSION_ENDED");
  await expect(race).rejects.toBe(fault);
});

test("a race after the end resolves at once", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  lifecycle.end("SESSION_EXPIRED");
  await expect(
    lifecycle.race(new Promise<CloseReason>(() => {}), (ending) => ending),
  ).resolves.toBe("SESSION_EXPIRED");
});

test("races disconnect no listener behind, whatever their result", async () => {
  const lifecycle = new CountedLifecycle(rethrowReported);
  for (let i = 0; i < 1_000; i++) await lifecycle.race(Promise.resolve(i), () => -1);
  await lifecycle.race(Promise.reject(new Error()), () => "").catch(() => {});
  expect(lifecycle.listeners).toBe(0);
});

test("a rejection after the end is ignored", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const pending = Promise.withResolvers<CloseReason>();
  const race = lifecycle.race(pending.promise, (ending) => ending);
  lifecycle.end("SESSION_ENDED");
  pending.reject(new Error("too late"));
  await expect(race).resolves.toBe("SESSION_ENDED");
});
