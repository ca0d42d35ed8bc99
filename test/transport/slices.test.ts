/** The close queue: all connections are marked closed at once, and close without blocking the event loop. */
import { expect, it } from "vitest";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { CloseQueue } from "../../src/connections/close-queue.ts";
import { raiseFault } from "../helpers/domain.ts";

const slice = 200;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lifecycles, and the reasons that their listeners received. */
function makeLives(count: number) {
  const told: string[] = [];
  const connections = Array.from({ length: count }, () => {
    const lifecycle = new ConnectionLifecycle(raiseFault);
    lifecycle.onEnd((ending) => told.push(ending));
    return lifecycle;
  });
  return { connections, told };
}

it("200 connections close per turn of the event loop, whether by one call or by many", async () => {
  const { connections, told } = makeLives(1_000);
  const slices = new CloseQueue();
  slices.close(connections.slice(0, 500), "SESSION_ENDED");
  for (const lifecycle of connections.slice(500)) slices.close([lifecycle], "TRY_AGAIN_LATER");
  expect(connections.every(({ closeReason: ending }) => ending !== undefined)).toBe(true);
  for (let ended = slice; ended < connections.length; ended += slice) {
    expect(told.length).toBe(ended);
    await turn();
  }
  expect(told).toEqual(connections.map(({ closeReason: ending }) => ending));
});

it("few connections close immediately, also in a later turn", async () => {
  const { connections, told } = makeLives(2 * slice);
  const slices = new CloseQueue();
  slices.close(connections.slice(0, slice), "SESSION_ENDED");
  expect(told.length).toBe(slice);
  await turn();
  slices.close(connections.slice(slice), "SESSION_ENDED");
  expect(told.length).toBe(2 * slice);
});

it("a connection that ends while it is queued closes once, for its first reason", async () => {
  const { connections, told } = makeLives(slice + 1);
  const slices = new CloseQueue();
  slices.close(connections, "SESSION_ENDED");
  connections.at(-1)?.end("CLIENT_GONE");
  await turn();
  await turn();
  expect(told).toEqual(connections.map(() => "SESSION_ENDED"));
});
