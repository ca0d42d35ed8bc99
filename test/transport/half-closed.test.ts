/** Connections whose client never closes its side or does not read: none stays open for long. */
import { once } from "node:events";
import { createServer, Server } from "node:http";
import { connect as dial, type AddressInfo, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { closeStalledReaders } from "../../src/http/stall-timeout.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { until } from "../helpers/until.ts";

const megabyte = 1024 * 1024;
const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
const version = "Sec-WebSocket-Version: 13";
const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/** A connection that the client never closes. */
async function open(url: string): Promise<Socket> {
  const { port, hostname } = new URL(url);
  const tcp = dial({ port: Number(port), host: hostname, allowHalfOpen: true });
  tcp.on("error", () => {});
  await once(tcp, "connect");
  return tcp;
}

function request(...lines: string[]): string {
  return [...lines, "Host: localhost", "", ""].join("\r\n");
}

/** Number of connections that are open on the server. */
function counting() {
  const servers: Server[] = [];
  const listen = Reflect.get(Server.prototype, "listen") as (...args: unknown[]) => Server;
  const spy = vi.spyOn(Server.prototype, "listen").mockImplementation(function (
    this: Server,
    ...args: unknown[]
  ) {
    servers.push(this);
    return Reflect.apply(listen, this, args);
  });
  const count = () =>
    new Promise<number>((resolve, reject) => {
      servers[0]?.getConnections((error, connections) =>
        error === null ? resolve(connections) : reject(error),
      );
    });
  return { count, [Symbol.dispose]: () => spy.mockRestore() };
}

const get = "GET /graphql HTTP/1.1";

it.each([
  ["404", request("GET /other HTTP/1.1", ...upgrade, version, key)],
  ["403", request(get, ...upgrade, version, key, "Origin: https://other.example")],
  ["400", request(get, ...upgrade, version, "Sec-WebSocket-Key: short")],
  ["400", request(get, ...upgrade, "Sec-WebSocket-Version: 7", key)],
  ["405", request("POST /graphql HTTP/1.1", ...upgrade, version, key)],
  ["400", request(get, ...upgrade, version, key, "Sec-WebSocket-Protocol: a,,b")],
  ["400", "no HTTP at all\r\n\r\n"],
  ["431", request(get, `X: ${"x".repeat(64 * 1024)}`)],
  ["400", request("GET http://[::1 HTTP/1.1", "Connection: close")],
])(
  "a client that receives %s and never closes its side is disconnected: %j",
  async (status, bytes) => {
    using connections = counting();
    await using curfew = await startCurfew();
    const tcp = await open(curfew.url);
    let answer = "";
    tcp.setEncoding("latin1").on("data", (text: string) => (answer += text));
    tcp.write(bytes);
    await until(() => answer.includes(` ${status} `), "the answer");
    await until(async () => (await connections.count()) === 0, "the disconnection");
    tcp.destroy();
  },
);

it("shutdown does not wait for a refused client that does not read the response", async () => {
  const curfew = await startCurfew({ drainTime: 100, graphiql: true });
  const tcp = await open(curfew.url);
  // Responses that the client does not read, and then an upgrade, whose response waits behind them.
  tcp.pause();
  const page = request(get, "Accept: text/html");
  tcp.write(page.repeat(2_000) + request("GET /other HTTP/1.1", ...upgrade, version, key));
  await pause(50);
  await curfew.close();
  tcp.destroy();
});

it("a connection is closed after the stall time-out if its client does not read a plain response", async () => {
  // Curfew's default is 30 s.
  const given: number[] = [];
  const original = Reflect.get(Server.prototype, "setTimeout") as (...args: unknown[]) => Server;
  const spy = vi.spyOn(Server.prototype, "setTimeout").mockImplementation(function (
    this: Server,
    time?: unknown,
  ) {
    given.push(Number(time));
    return Reflect.apply(original, this, [300]);
  });
  using connections = counting();
  await using curfew = await startCurfew({
    typeDefs: "type Query { big: String! }",
    resolvers: { Query: { big: () => "x".repeat(16 * megabyte) } },
  });
  spy.mockRestore();
  expect(given).toEqual([30_000]);
  const body = JSON.stringify({ query: "{ big }" });
  const plain = "Content-Type: application/json";
  const post = request("POST /graphql HTTP/1.1", plain, `Content-Length: ${body.length}`) + body;
  // Also for responses of the adapter, which handles more than a plain POST.
  for (const bytes of [post, request("GET /graphql?query={big} HTTP/1.1")]) {
    const tcp = await open(curfew.url);
    tcp.pause().write(bytes);
    await once(tcp, "readable").catch(() => {});
    await until(async () => (await connections.count()) === 0, "the cut");
    tcp.destroy();
  }
});

it("the stall time-out spares slow readers, slow responses and idle keep-alive connections", async () => {
  const time = 300;
  const gate = Promise.withResolvers<void>();
  const server = createServer((incoming, response) => {
    const text = incoming.url === "/big" ? "x".repeat(24 * megabyte) : "short";
    const ready = incoming.url === "/slow" ? gate.promise : Promise.resolve();
    void ready.then(() => response.end(text));
  });
  closeStalledReaders(server, time);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const waiting = await open(url);
  let answers = 0;
  waiting.on("data", () => (answers += 1)).write(request("GET /slow HTTP/1.1"));
  const slow = await open(url);
  slow.pause().write(request("GET /big HTTP/1.1"));
  let read = 0;
  // 1 MB in each third of the time-out.
  while (read < 24 * megabyte) {
    const before = read;
    while (read < before + megabyte && read < 24 * megabyte) {
      const chunk = slow.read() as Buffer | null;
      if (chunk === null) await once(slow, "readable");
      else read += chunk.length;
      expect(slow.destroyed).toBe(false);
    }
    await pause(time / 3);
  }
  expect(waiting.destroyed).toBe(false);
  gate.resolve();
  await until(() => answers === 1, "the slow answer");
  waiting.write(request("GET /short HTTP/1.1"));
  await until(() => answers === 2, "the next answer on the same connection");
  waiting.destroy();
  slow.destroy();
  server.close();
});
