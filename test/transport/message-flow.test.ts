/** A client that sends very many messages costs the node a bounded share of its time. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MessageFlow } from "../../src/websocket/message-flow.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { connect, TestSocket } from "../helpers/socket.ts";

describe("a socket", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function openFlow() {
    const ws = { pause: vi.fn(), resume: vi.fn() };
    const flow = new MessageFlow(ws);
    const take = (count: number) => {
      for (let i = 0; i < count; i += 1) flow.take();
    };
    return { ws, flow, take };
  }

  it("is read on with 2,000 messages a second", () => {
    const { ws, take } = openFlow();
    for (let i = 0; i < 5; i += 1) {
      take(2_000);
      vi.advanceTimersByTime(1_000);
    }
    expect(ws.pause).not.toHaveBeenCalled();
  });

  it("is not read for a second after more, as often as it sends more", () => {
    const { ws, take } = openFlow();
    for (let i = 1; i <= 3; i += 1) {
      take(5_000);
      expect(ws.pause).toHaveBeenCalledTimes(i);
      vi.advanceTimersByTime(999);
      expect(ws.resume).toHaveBeenCalledTimes(i - 1);
      vi.advanceTimersByTime(1);
      expect(ws.resume).toHaveBeenCalledTimes(i);
    }
  });

  it("leaves no timer behind when it is gone", () => {
    const { flow, take } = openFlow();
    take(2_001);
    flow.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is not read any more when its client goes on sending after the close", () => {
    const { ws, flow } = openFlow();
    for (let i = 0; i < 100; i += 1) flow.takeLate();
    expect(ws.pause).not.toHaveBeenCalled();
    flow.takeLate();
    expect(ws.pause).toHaveBeenCalledTimes(1);
  });
});

it("100 pings before connection_init are answered, and more close the socket with 4400", async () => {
  await using curfew = await startCurfew();
  await using socket = await new TestSocket(curfew.socketUrl).opened();
  for (let i = 0; i < 100; i += 1) socket.send({ type: "ping" });
  for (let i = 0; i < 100; i += 1) expect(await socket.messages.next()).toEqual({ type: "pong" });
  socket.send({ type: "ping" });
  expect(await socket.closed).toMatchObject({
    code: 4400,
    reason: "Too many messages before the acknowledgement",
  });
});

it("3,000 pings at once on a socket that is signed in are all answered", async () => {
  await using curfew = await startCurfew();
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  for (let i = 0; i < 3_000; i += 1) socket.send({ type: "ping" });
  for (let i = 0; i < 3_000; i += 1) expect(await socket.messages.next()).toEqual({ type: "pong" });
  socket.subscribe("1", "{ __typename }");
  expect(await socket.messages.next()).toMatchObject({ id: "1", type: "next" });
});
