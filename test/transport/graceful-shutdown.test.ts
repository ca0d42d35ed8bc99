/** Graceful shutdown of HTTP connections, streams and sockets. */
import { Worker } from "node:worker_threads";
import { connect as connectTcp } from "node:net";
import { once } from "node:events";
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, register } from "../helpers/http.ts";
import { openStream } from "../helpers/sse.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { isListening } from "../helpers/listening.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";

const serviceRestart = { code: 1012, reason: "SERVICE_RESTART" };

it("shutdown closes sockets with 1012, signed in or not, and ends streams, so that clients reconnect", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  await using silent = await new TestSocket(curfew.socketUrl).opened();
  await using stream = await openStream(curfew.url, "subscription { said }", { token });
  expect((await stream.events.next()).data).toEqual({ data: { said: "ready" } });

  await curfew.close();

  expect(await socket.closed).toEqual(serviceRestart);
  expect(await silent.closed).toEqual(serviceRestart);
  const { data } = await stream.events.next();
  expect(data.errors[0].extensions).toEqual({ code: "SERVICE_RESTART" });
  await stream.ended;
  expect(curfew.connections.size).toBe(0);
});

it("shutdown does not wait for connections without a request", async () => {
  await using curfew = await startCurfew({ drainTime: 60_000 });
  const { port, hostname } = new URL(curfew.url);
  const idle = connectTcp(Number(port), hostname);
  await once(idle, "connect");
  // Once a later request is answered, the server has accepted the connection.
  await ask(curfew.url, "{ __typename }");
  const cut = once(idle, "close");
  await curfew.close();
  await cut;
});

it("a request that arrives during a stall of the event loop at the start of shutdown is answered", async () => {
  await using curfew = await startCurfew({ drainTime: 60_000 });
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const [go, sent] = [0, 1];
  const { port, hostname } = new URL(curfew.url);
  const request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const client = new Worker(
    `const { parentPort, workerData } = require("node:worker_threads");
    const { port, hostname, request, shared, go, sent } = workerData;
    parentPort.postMessage("ready");
    Atomics.wait(shared, go, 0);
    let answer = "";
    const socket = require("node:net").connect(port, hostname);
    socket.setEncoding("utf8").on("data", (text) => (answer += text));
    socket.on("error", ({ message }) => (answer += message));
    socket.on("close", () => parentPort.postMessage(answer));
    socket.write(request, () => {
      Atomics.store(shared, sent, 1);
      Atomics.notify(shared, sent);
    });`,
    { eval: true, workerData: { port: Number(port), hostname, request, shared, go, sent } },
  );
  await once(client, "message");
  const answered = once(client, "message");

  const closed = curfew.close();
  Atomics.store(shared, go, 1);
  Atomics.notify(shared, go);
  Atomics.wait(shared, sent, 0);
  // Longer than the server waits for connections to be accepted.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);

  expect(await answered).toEqual([expect.stringMatching(/^HTTP\/1\.1 200 /)]);
  await closed;
  await client.terminate();
});

it("a request in transit at the start of shutdown is answered, and then its connection closes", async () => {
  await using curfew = await startCurfew({ drainTime: 60_000 });
  const { port, hostname } = new URL(curfew.url);
  const proxy = connectTcp(Number(port), hostname).setEncoding("utf8");
  let answers = "";
  proxy.on("data", (text: string) => (answers += text));
  const cut = once(proxy, "close");
  const request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  proxy.write(request);
  await until(() => answers.includes("\r\n\r\n"));

  const closed = curfew.close();
  await until(async () => !(await isListening(Number(port), hostname)), "the end of the listener");
  proxy.write(request);
  await cut;
  await closed;

  expect(answers.match(/^(HTTP\/1\.1 \d+|connection: .*)/gim)).toEqual([
    "HTTP/1.1 200",
    "Connection: keep-alive",
    "HTTP/1.1 200",
    expect.stringMatching(/^connection: close/i),
  ]);
});

it("an anonymous stream ends at shutdown and does not delay it", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, drainTime: 60_000 });
  await using stream = await openStream(curfew.url, "subscription { heard }");
  expect((await stream.events.next()).data).toEqual({ data: { heard: "ready" } });
  await curfew.close();
  const { data } = await stream.events.next();
  expect(data.errors[0].extensions).toEqual({ code: "SERVICE_RESTART" });
  await stream.ended;
});

it("a slow request is answered during shutdown", async () => {
  const { schema, release } = testApp();
  await using curfew = await startCurfew({ ...schema, drainTime: 60_000 });
  const { accessToken: token } = await register(curfew.url);
  const answer = ask(curfew.url, "{ slow }", { token });
  await until(() => curfew.connections.size === 1);
  const closed = curfew.close();
  release();
  expect((await answer).data).toEqual({ slow: "done" });
  await closed;
});

it.each([
  ["query", "{ slow }", { slow: "done" }],
  ["mutation", 'mutation { sayLater(text: "done") }', { sayLater: "done" }],
])(
  "a %s is answered completely before shutdown closes its socket, whatever else runs on it",
  async (_, operation, data) => {
    const { schema, started, release } = testApp();
    await using curfew = await startCurfew({ ...schema, drainTime: 60_000 });
    const { accessToken: token } = await register(curfew.url);
    await using busy = await connect(curfew.socketUrl, token);
    await using idle = await connect(curfew.socketUrl, token);
    busy.subscribe("listening", "subscription { said }");
    expect((await busy.messages.next()).id).toBe("listening");
    busy.subscribe("1", operation);
    await started;

    const closed = curfew.close();
    expect(await idle.closed).toEqual(serviceRestart);
    busy.subscribe("2", "{ hello }");
    expect((await busy.messages.next()).payload).toEqual({ data: { hello: "world" } });
    expect(await busy.messages.next()).toEqual({ id: "2", type: "complete" });
    release();

    expect(await busy.messages.next()).toEqual({ id: "1", type: "next", payload: { data } });
    expect(await busy.messages.next()).toEqual({ id: "1", type: "complete" });
    expect(await busy.closed).toEqual(serviceRestart);
    await closed;
  },
);

it("a reply that takes longer than the drain time does not delay shutdown", async () => {
  const { schema, started } = testApp();
  await using curfew = await startCurfew({ ...schema, drainTime: 200 });
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  socket.subscribe("1", "{ slow }");
  await started;
  await curfew.close();
  expect(await socket.closed).toEqual(serviceRestart);
});

it("shutdown closes few connections at twenty per 100 ms, and each works until it closes", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, drainTime: 60_000 });
  const { accessToken: token } = await register(curfew.url);
  const sockets = await Promise.all(
    Array.from({ length: 50 }, () => connect(curfew.socketUrl, token)),
  );

  const closed = curfew.close();
  expect(curfew.connections.size).toBe(30);
  const last = sockets.at(-1);
  last?.subscribe("1", "{ hello }");
  expect((await last?.messages.next())?.payload).toEqual({ data: { hello: "world" } });
  await closed;

  for (const socket of sockets) expect(await socket.closed).toEqual(serviceRestart);
});

it("shutdown closes many connections evenly over the drain time", async () => {
  const count = 300;
  const drainTime = 1_000;
  await using curfew = await startCurfew({ drainTime, maxSocketsPerSession: count });
  const { accessToken: token } = await register(curfew.url);
  const sockets = await Promise.all(
    Array.from({ length: count }, () => connect(curfew.socketUrl, token)),
  );
  const start = performance.now();
  const elapsed = stopwatch();
  const times = sockets.map((socket) => socket.closed.then(() => performance.now() - start));

  await curfew.close();
  const within = elapsed();

  const sorted = (await Promise.all(times)).toSorted((a, b) => a - b);
  expect(within).toBeLessThan(4 * drainTime);
  // A late timer delays closes and never advances them.
  for (const share of [0.25, 0.5, 0.75])
    expect(sorted[count * share]).toBeGreaterThan(drainTime * (share - 0.2));
});

it("/ready responds 503 from the start of shutdown on connections that are still open", async () => {
  await using curfew = await startCurfew({ drainTime: 60_000 });
  const { port, hostname } = new URL(curfew.url);
  const client = connectTcp(Number(port), hostname).setEncoding("utf8");
  let answers = "";
  client.on("data", (text: string) => (answers += text));
  const cut = once(client, "close");
  const request = "GET /ready HTTP/1.1\r\nHost: localhost\r\n";
  // The second request is incomplete when shutdown begins.
  client.write(`${request}\r\n${request}`);
  await until(() => answers.includes("\r\n\r\n"));

  const closed = curfew.close();
  client.write("\r\n");
  await cut;
  await closed;

  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 503"]);
});
