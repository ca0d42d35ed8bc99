/** Clients' close frames are read after the server's are sent to all, but within a limit. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { CloseHandshakes } from "../../src/websocket/close-handshakes.ts";
import { until } from "../helpers/until.ts";

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The server's side of open sockets, and which of them have closed. */
async function openSockets(count: number) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const closed = new Set<WebSocket>();
  server.on("connection", (ws) => ws.on("close", () => closed.add(ws)));
  const clients = Array.from({ length: count }, () => new WebSocket(`ws://127.0.0.1:${port}`));
  await Promise.all(clients.map((client) => once(client, "open")));
  await until(() => server.clients.size === count);
  return {
    sockets: [...server.clients],
    closed,
    /** Number of clients that received the close frame. */
    receivedCount: () => clients.filter(({ readyState }) => readyState !== WebSocket.OPEN).length,
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function end(ws: WebSocket, closeHandshakes: CloseHandshakes): void {
  ws.close(4401, "SESSION_ENDED");
  closeHandshakes.add(ws);
}

it("no client's close frame is read before the last one is sent, and then all are read", async () => {
  const count = 300;
  await using opened = await openSockets(count);
  const closeHandshakes = new CloseHandshakes();
  for (const ws of opened.sockets) {
    end(ws, closeHandshakes);
    await nextTurn();
  }
  expect(opened.receivedCount()).toBeGreaterThan(count / 2);
  expect(opened.closed.size).toBe(0);
  await until(() => opened.closed.size === count);
});

it("clients' close frames are read within the limit although the server keeps sending", async () => {
  await using opened = await openSockets(2);
  const [first, second] = opened.sockets as [WebSocket, WebSocket];
  const closeHandshakes = new CloseHandshakes();
  end(first, closeHandshakes);
  while (opened.closed.size === 0) {
    closeHandshakes.add(second);
    await nextTurn();
  }
  expect(opened.closed.size).toBe(1);
});
