/** Many connections that end at once: all are condemned at once, and they close while others have their turn. */
import { expect, it } from "vitest";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { CloseQueue } from "../../src/connections/close-queue.ts";
import { rethrowReported } from "../helpers/domain.ts";

const slice = 200;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lives, with how many of them were told of their end. */
function makeLives(count: number) {
  const told: string[] = [];
  const connections = Array.from({ length: count }, () => {
    const lifecycle = new ConnectionLifecycle(rethrowReported);
    lifecycle.onEnd((ending) => told.push(ending));
    return lifecycle;
  });
  return { connections, told };
}

it("200 in a turn, whether they end by one call or by many", async () => {
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

it("few end at once, and so do few later", async () => {
  const { connections, told } = makeLives(2 * slice);
  const slices = new CloseQueue();
  slices.close(connections.slice(0, slice), "SESSION_ENDED");
  expect(told.length).toBe(slice);
  await turn();
  slices.close(connections.slice(slice), "SESSION_ENDED");
  expect(told.length).toBe(2 * slice);
});

it("one that has ended meanwhile is told once, and for its own reason", async () => {
  const { connections, told } = makeLives(slice + 1);
  const slices = new CloseQueue();
  slices.close(connections, "SESSION_ENDED");
  connections.at(-1)?.end("CLIENT_GONE");
  await turn();
  await turn();
  expect(told).toEqual(connections.map(() => "ENDED"));
});
