import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { startProxy } from "./proxy.ts";
import { until } from "./until.ts";

/** Opens a proxy in front of an echo server. */
async function open() {
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => {}).pipe(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  const proxy = await startProxy(port);
  const link = async () => {
    const socket = connect(proxy.port, "127.0.0.1").setEncoding("utf8");
    let received = "";
    let closed = false;
    socket.on("data", (text: string) => (received += text));
    socket.on("error", () => {}).on("close", () => (closed = true));
    await once(socket, "connect");
    return { socket, received: () => received, isClosed: () => closed };
  };
  const dispose = async () => {
    await proxy[Symbol.asyncDispose]();
    server.close();
  };
  return { proxy, link, accepted, [Symbol.asyncDispose]: dispose };
}

it("a proxy forwards data and the end of a connection", async () => {
  await using net = await open();
  const link = await net.link();
  link.socket.write("hello");
  await until(() => link.received() === "hello");
  net.accepted[0]?.destroy();
  await until(link.isClosed);
});

it("drop() resets all connections and accepts new ones", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.drop();
  await until(link.isClosed);
  const next = await net.link();
  next.socket.write("hello");
  await until(() => next.received() === "hello");
});

it("halfOpen() discards all data on its connections for good; after heal() new ones work", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.halfOpen();
  link.socket.write("lost");
  const opened = await net.link();
  opened.socket.write("lost");
  net.accepted[0]?.destroy();
  await pause(50);
  net.proxy.heal();
  const next = await net.link();
  next.socket.write("hello");
  await until(() => next.received() === "hello");
  expect([link.received(), link.isClosed(), opened.received(), opened.isClosed()]).toEqual([
    "",
    false,
    "",
    false,
  ]);
});

it("stall() holds data back, and heal() delivers it in order", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.stall();
  link.socket.write("one ");
  await pause(20);
  link.socket.write("two");
  await pause(20);
  expect(link.received()).toBe("");
  net.proxy.heal();
  await until(() => link.received() === "one two");
});

it("stallReplies() holds back only the data from the server", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.stallReplies();
  link.socket.write("hello");
  await until(() => net.accepted[0]?.bytesRead === 5);
  await pause(20);
  expect(link.received()).toBe("");
  net.proxy.heal();
  await until(() => link.received() === "hello");
});

it("delay() delays data in both directions", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.delay(40);
  const start = performance.now();
  link.socket.write("hello");
  await until(() => link.received() === "hello");
  expect(performance.now() - start).toBeGreaterThan(75);
});

it("loseMessages() removes the Redis messages that contain a text, and nothing else", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.loseMessages("bad");
  const message = (text: string, kind = "*") =>
    `${kind}3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$${text.length}\r\n${text}\r\n`;
  link.socket.write(`+PONG\r\n${message("bad")}${message("bad", ">")}${message("good")}+bad\r\n`);
  await until(() => link.received() === `+PONG\r\n${message("good")}+bad\r\n`);
});
