import { expect, test } from "vitest";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { type CloseReason } from "../../src/protocol/close-reasons.ts";
import { rethrowReported } from "../helpers/domain.ts";
import { until } from "../helpers/until.ts";

/** A life that counts who listens to it. */
class CountedLife extends ConnectionLifecycle {
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

test("the first ending counts, and everybody is told once", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const [one, two] = [listenTo(lifecycle), listenTo(lifecycle)];
  expect(lifecycle.closeReason).toBeUndefined();
  lifecycle.end("SESSION_ENDED");
  lifecycle.end("SERVICE_RESTART");
  expect(lifecycle.closeReason).toBe("ENDED");
  expect([one, two]).toEqual([["ENDED"], ["ENDED"]]);
});

test("who comes after the end is told at once", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  lifecycle.end("SESSION_EXPIRED");
  expect(listenTo(lifecycle)).toEqual(["EXPIRED"]);
});

test("who is told may listen again, and is told again", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard: CloseReason[] = [];
  lifecycle.onEnd(() => lifecycle.onEnd((ending) => heard.push(ending)));
  lifecycle.end("SESSION_ENDED");
  expect(heard).toEqual(["ENDED"]);
});

test("who forgot it in time is not told", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard: CloseReason[] = [];
  lifecycle.onEnd((ending) => heard.push(ending))();
  lifecycle.end("SESSION_ENDED");
  expect(heard).toEqual([]);
});

test("who throws, at once or by a promise, is told of and stops nobody", async () => {
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
  expect(heard).toEqual(["ENDED"]);
  await until(() => faults.length === 3);
  expect(faults).toEqual(expect.arrayContaining([first, second, third]));
});

test("a condemned life is known to end before anybody is told", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  lifecycle.markClosed("SESSION_ENDED");
  expect(lifecycle.closeReason).toBe("ENDED");
  expect(heard).toEqual([]);
  lifecycle.end("SERVICE_RESTART");
  expect(heard).toEqual(["ENDED"]);
});

test("who comes to a condemned life is told with the others", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  lifecycle.markClosed("SESSION_ENDED");
  const heard = listenTo(lifecycle);
  expect(heard).toEqual([]);
  lifecycle.end("SESSION_ENDED");
  expect(heard).toEqual(["ENDED"]);
});

test("a life that is held ends when it is released", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  const reply = {};
  lifecycle.closeAfter(reply);
  lifecycle.end("SESSION_ENDED");
  expect(lifecycle.closeReason).toBe("ENDED");
  expect(heard).toEqual([]);
  lifecycle.finishReply(reply);
  lifecycle.finishReply(reply);
  expect(heard).toEqual(["ENDED"]);
});

test("a life that is held twice ends when it is released twice", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  const [one, two] = [{}, {}];
  lifecycle.closeAfter(one);
  lifecycle.closeAfter(two);
  lifecycle.end("SESSION_ENDED");
  lifecycle.finishReply(one);
  expect(heard).toEqual([]);
  lifecycle.finishReply(two);
  expect(heard).toEqual(["ENDED"]);
});

test("nothing holds the life of a client that has left", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  lifecycle.closeAfter({});
  lifecycle.end("CLIENT_GONE");
  expect(heard).toEqual(["LEFT"]);
});

test("a life that is released lives on when nothing ended it, and can end later", () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const heard = listenTo(lifecycle);
  const reply = {};
  lifecycle.closeAfter(reply);
  lifecycle.finishReply(reply);
  expect(heard).toEqual([]);
  lifecycle.end("SESSION_EXPIRED");
  expect(heard).toEqual(["EXPIRED"]);
});

test("a race gives what the promise gives, or its failure", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const never = (): never => expect.unreachable();
  await expect(lifecycle.race(Promise.resolve(1), never)).resolves.toBe(1);
  await expect(lifecycle.race(Promise.reject(new Error("broken")), never)).rejects.toThrow(
    "broken",
  );
});

test("a race gives the ending when that comes first", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const pending = Promise.withResolvers<string>();
  const race = lifecycle.race(pending.promise, (ending) => ending as string);
  lifecycle.end("SESSION_ENDED");
  pending.resolve("too late");
  await expect(race).resolves.toBe("ENDED");
});

test("a race fails when what is made of its end does", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const fault = new Error("broken");
  const race = lifecycle.race(new Promise(() => {}), () => {
    throw fault;
  });
  lifecycle.end("SESSION_ENDED");
  await expect(race).rejects.toBe(fault);
});

test("a race of a life that is over is lost at once", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  lifecycle.end("SESSION_EXPIRED");
  await expect(
    lifecycle.race(new Promise<CloseReason>(() => {}), (ending) => ending),
  ).resolves.toBe("EXPIRED");
});

test("races leave no listener behind, however they end", async () => {
  const lifecycle = new CountedLife(rethrowReported);
  for (let i = 0; i < 1_000; i++) await lifecycle.race(Promise.resolve(i), () => -1);
  await lifecycle.race(Promise.reject(new Error()), () => "").catch(() => {});
  expect(lifecycle.listeners).toBe(0);
});

test("a promise that fails after the end troubles nobody", async () => {
  const lifecycle = new ConnectionLifecycle(rethrowReported);
  const pending = Promise.withResolvers<CloseReason>();
  const race = lifecycle.race(pending.promise, (ending) => ending);
  lifecycle.end("SESSION_ENDED");
  pending.reject(new Error("too late"));
  await expect(race).resolves.toBe("ENDED");
});
