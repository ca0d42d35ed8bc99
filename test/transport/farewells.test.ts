/** Replies to close frames wait while others are told, and not for ever. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { CloseHandshakes } from "../../src/websocket/close-handshakes.ts";
import { until } from "../helpers/until.ts";

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The server's ends of sockets that are open, with which of them are gone. */
async function openSockets(count: number) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const gone = new Set<WebSocket>();
  server.on("connection", (ws) => ws.on("close", () => gone.add(ws)));
  const clients = Array.from({ length: count }, () => new WebSocket(`ws://127.0.0.1:${port}`));
  await Promise.all(clients.map((client) => once(client, "open")));
  await until(() => server.clients.size === count);
  return {
    sockets: [...server.clients],
    gone,
    /** How many clients know of the end. */
    told: () => clients.filter(({ readyState }) => readyState !== WebSocket.OPEN).length,
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

it("nobody's reply is read before the last is told, and then all are", async () => {
  const count = 300;
  await using opened = await openSockets(count);
  const closeHandshakes = new CloseHandshakes();
  for (const ws of opened.sockets) {
    end(ws, closeHandshakes);
    await turn();
  }
  expect(opened.told()).toBeGreaterThan(count / 2);
  expect(opened.gone.size).toBe(0);
  await until(() => opened.gone.size === count);
});

it("where telling takes no end, replies are read all the same", async () => {
  await using opened = await openSockets(2);
  const [first, second] = opened.sockets as [WebSocket, WebSocket];
  const closeHandshakes = new CloseHandshakes();
  end(first, closeHandshakes);
  while (opened.gone.size === 0) {
    closeHandshakes.add(second);
    await turn();
  }
  expect(opened.gone.size).toBe(1);
});
