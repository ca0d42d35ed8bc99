/** The close queue: all connections are marked closed at once, and close without blocking the event loop. */
import { expect, it } from "vitest";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { CloseQueue } from "../../src/connections/close-queue.ts";
import { rethrowReported } from "../helpers/domain.ts";

const closesPerTurn = 200;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lifecycles, and the reasons that their listeners received. */
function createLifecycles(count: number) {
  const reasons: string[] = [];
  const connections = Array.from({ length: count }, () => {
    const lifecycle = new ConnectionLifecycle(rethrowReported);
    lifecycle.onEnd((reason) => reasons.push(reason));
    return lifecycle;
  });
  return { connections, reasons };
}

it("200 connections close per turn of the event loop, whether by one call or by many", async () => {
  const { connections, reasons } = createLifecycles(1_000);
  const closeQueue = new CloseQueue();
  closeQueue.close(connections.slice(0, 500), "SESSION_ENDED");
  for (const lifecycle of connections.slice(500)) closeQueue.close([lifecycle], "TRY_AGAIN_LATER");
  expect(connections.every(({ closeReason: reason }) => reason !== undefined)).toBe(true);
  for (let ended = closesPerTurn; ended < connections.length; ended += closesPerTurn) {
    expect(reasons.length).toBe(ended);
    await nextTurn();
  }
  expect(reasons).toEqual(connections.map(({ closeReason: reason }) => reason));
});

it("few connections close immediately, also in a later turn", async () => {
  const { connections, reasons } = createLifecycles(2 * closesPerTurn);
  const closeQueue = new CloseQueue();
  closeQueue.close(connections.slice(0, closesPerTurn), "SESSION_ENDED");
  expect(reasons.length).toBe(closesPerTurn);
  await nextTurn();
  closeQueue.close(connections.slice(closesPerTurn), "SESSION_ENDED");
  expect(reasons.length).toBe(2 * closesPerTurn);
});

it("a connection that ends while it is queued closes once, for its first reason", async () => {
  const { connections, reasons } = createLifecycles(closesPerTurn + 1);
  const closeQueue = new CloseQueue();
  closeQueue.close(connections, "SESSION_ENDED");
  connections.at(-1)?.end("CLIENT_GONE");
  await nextTurn();
  await nextTurn();
  expect(reasons).toEqual(connections.map(() => "SESSION_ENDED"));
});
