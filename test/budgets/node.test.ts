/** What a socket takes of a node and of the network, counted. */
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { logout, register } from "../helpers/http.ts";
import { startMeasuredServer } from "../helpers/measured.ts";
import { RawSocket } from "../helpers/raw-socket.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

it("a node has as many timers with two hundred sockets as with none", async () => {
  using server = await startMeasuredServer();
  const timers = async () => (await server.measureNow()).resources["Timeout"];
  const sockets: TestSocket[] = [];
  const open = async (count: number) => {
    const started = await server.start(count);
    for (const { token } of started) {
      const socket = await connect(server.url, token);
      socket.subscribe("1", "subscription { sessionEvents { type } }");
      sockets.push(socket);
    }
  };
  const before = await timers();
  await open(200);
  // graphql-ws waits for `connection_init` with one of its own, and for as long where that has come.
  await until(async () => (await timers()) === before, "no timer of a socket");
  await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
});

it("a frame is its message and no byte more but the header", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken } = await register(curfew.url);
  await using socket = await RawSocket.open(curfew.socketUrl);
  let read = socket.tcp.bytesRead;
  /** The next frame, with how many bytes came since the last one. */
  const next = async () => {
    const frame = await socket.frames.next();
    const bytes = socket.tcp.bytesRead - read;
    read = socket.tcp.bytesRead;
    return { frame, bytes };
  };
  socket.send({ type: "connection_init", payload: { token: accessToken } });
  const ack = await next();
  expect(ack.frame).toContain('"connection_ack"');
  // Over 125 bytes, two more for the length.
  expect(ack.bytes).toBe((ack.frame.length > 125 ? 4 : 2) + ack.frame.length);

  socket.send({ id: "1", type: "subscribe", payload: { query: "subscription { said }" } });
  const ready = await next();
  expect(ready.frame).toBe('{"id":"1","type":"next","payload":{"data":{"said":"ready"}}}');
  expect(ready.bytes).toBe(2 + ready.frame.length);

  await logout(curfew.url, accessToken);
  const last = await next();
  expect(last.frame).toBe("close 4401 SESSION_ENDED");
  expect(last.bytes).toBe(2 + 2 + "SESSION_ENDED".length);
});
