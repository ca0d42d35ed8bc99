import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { startProxy } from "./proxy.ts";
import { until } from "./until.ts";

/** A proxy before a server that says all it hears. */
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
    let heard = "";
    let closed = false;
    socket.on("data", (text: string) => (heard += text));
    socket.on("error", () => {}).on("close", () => (closed = true));
    await once(socket, "connect");
    return { socket, heard: () => heard, isClosed: () => closed };
  };
  const dispose = async () => {
    await proxy[Symbol.asyncDispose]();
    server.close();
  };
  return { proxy, link, accepted, [Symbol.asyncDispose]: dispose };
}

it("lets everything through, and an end too", async () => {
  await using net = await open();
  const link = await net.link();
  link.socket.write("hello");
  await until(() => link.heard() === "hello");
  net.accepted[0]?.destroy();
  await until(link.isClosed);
});

it("cuts all links, and lets new ones through", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.drop();
  await until(link.isClosed);
  const next = await net.link();
  next.socket.write("hello");
  await until(() => next.heard() === "hello");
});

it("swallows everything on a half-open link, which stays dead, and heals for new ones", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.halfOpen();
  link.socket.write("lost");
  const born = await net.link();
  born.socket.write("lost");
  net.accepted[0]?.destroy();
  await pause(50);
  net.proxy.heal();
  const next = await net.link();
  next.socket.write("hello");
  await until(() => next.heard() === "hello");
  expect([link.heard(), link.isClosed(), born.heard(), born.isClosed()]).toEqual([
    "",
    false,
    "",
    false,
  ]);
});

it("holds back what a stalled link carries, and delivers it in order", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.stall();
  link.socket.write("one ");
  await pause(20);
  link.socket.write("two");
  await pause(20);
  expect(link.heard()).toBe("");
  net.proxy.heal();
  await until(() => link.heard() === "one two");
});

it("holds back the answers alone", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.stallReplies();
  link.socket.write("hello");
  await until(() => net.accepted[0]?.bytesRead === 5);
  await pause(20);
  expect(link.heard()).toBe("");
  net.proxy.heal();
  await until(() => link.heard() === "hello");
});

it("delays in both directions", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.delay(40);
  const start = performance.now();
  link.socket.write("hello");
  await until(() => link.heard() === "hello");
  expect(performance.now() - start).toBeGreaterThan(75);
});

it("loses the messages that hold a text, and nothing else", async () => {
  await using net = await open();
  const link = await net.link();
  net.proxy.lose("bad");
  const message = (text: string, kind = "*") =>
    `${kind}3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$${text.length}\r\n${text}\r\n`;
  link.socket.write(`+PONG\r\n${message("bad")}${message("bad", ">")}${message("good")}+bad\r\n`);
  await until(() => link.heard() === `+PONG\r\n${message("good")}+bad\r\n`);
});
