/** Clients that do not read: their events are dropped or their connection closed, without effect on others. */
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as dial, type AddressInfo, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { ConnectionLimiter } from "../../src/connections/connection-limiter.ts";
import { identifyRequest } from "../../src/http/caller.ts";
import { ConcurrencyLimiter } from "../../src/lib/concurrency-limiter.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { countSubscriptions, memoryPubSub } from "../helpers/backends.ts";
import { RawSocket } from "../helpers/raw-socket.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const publishes = 5_000;
const megabyte = 1024 * 1024;

const app: CurfewOptions = {
  typeDefs: /* GraphQL */ `
    type Subscription {
      feed: String! @authenticated
    }
  `,
  resolvers: {
    Subscription: {
      feed: {
        subscribe: (_parent, _args, { events }) => events.subscribe("feed"),
        resolve: (text) => text,
      },
    },
  },
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heap(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Subscribes without reading events. */
async function pausedSocket(curfew: TestCurfew, token: string): Promise<AsyncDisposable> {
  const socket = await connect(curfew.socketUrl, token);
  socket.subscribe("1", "subscription { feed }");
  socket.ws.pause();
  return socket;
}

async function pausedStream({ url }: TestCurfew, token: string): Promise<AsyncDisposable> {
  const { port, hostname } = new URL(url);
  const tcp = dial(Number(port), hostname);
  await once(tcp, "connect");
  tcp.pause();
  const body = JSON.stringify({ query: "subscription { feed }" });
  const head = `Host: localhost\r\nAuthorization: ${token}\r\nContent-Type: application/json`;
  tcp.write(
    `POST /graphql HTTP/1.1\r\n${head}\r\nAccept: text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return { [Symbol.asyncDispose]: () => hangUp(tcp) };
}

async function hangUp(tcp: Socket): Promise<void> {
  tcp.destroy();
  if (!tcp.closed) await once(tcp, "close");
}

it.each([
  ["a socket", pausedSocket],
  ["a stream", pausedStream],
])(
  "%s whose client does not read loses its subscription, and another gets all 5,000 events of 4 KB",
  async (_, openPaused) => {
    const pubsub = countSubscriptions(memoryPubSub());
    await using curfew = await startCurfew({ ...app, backends: { pubsub: pubsub.part } });
    const { accessToken } = await register(curfew.url);
    const { accessToken: other } = await register(curfew.url);
    await using reader = await new TestSocket(curfew.socketUrl).opened();
    let got = 0;
    reader.ws.removeAllListeners("message");
    reader.ws.on("message", () => (got += 1));
    reader.init({ token: other });
    await until(() => got === 1, "the acknowledgement");
    reader.subscribe("1", "subscription { feed }");
    await until(() => pubsub.subscriptions === 2, "the reader to subscribe");
    await using paused = await openPaused(curfew, accessToken);
    expect(paused).toBeDefined();
    // Each subscribes to its session's topic and to the feed's.
    await until(() => pubsub.subscriptions === 4, "both to subscribe");
    const before = heap();

    for (let i = 0; i < publishes; i += 1) {
      await curfew.events.publish("feed", `${i} ${"x".repeat(4096)}`);
      if (i % 100 === 99) await until(() => got === i + 2, "the reader to get them");
    }

    expect(got).toBe(1 + publishes);
    expect(pubsub.subscriptions).toBe(3);
    // 20 MB were published; only few events are buffered beyond the kernel's buffers.
    expect(heap() - before).toBeLessThan(8 * megabyte);
  },
);

it("a stream closes if its client does not read for the stall time-out, but not if no event is published", async () => {
  await using curfew = await startCurfew();
  const stallTimeout = 1_000;
  const { sessions, connections } = curfew;
  const options = {
    sessions,
    connections,
    admissionLimiter: new ConcurrencyLimiter({ atOnce: 1, waiting: 0 }),
    places: new ConnectionLimiter({ each: Infinity }),
    admissionTimeout: 10_000,
    trustProxy: 0,
    noteRefusal: () => {},
    reportError: () => {},
    stallTimeout,
  };
  let streams = 0;
  const server = createServer((request, response) => {
    void identifyRequest(request, response, options)
      .then((caller) => caller.join("stream"))
      .then(() => {
        streams += 1;
        response.write(request.url === "/flood" ? "x".repeat(32 * megabyte) : "x");
        const comments = setInterval(() => response.write("x"), stallTimeout / 4);
        response.once("close", () => clearInterval(comments));
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const open = async (path: string) => {
    const tcp = dial(port, "127.0.0.1");
    tcp.on("error", () => {}).write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return tcp;
  };
  const quiet = (await open("/quiet")).resume();
  const stalled = (await open("/flood")).pause();
  await until(() => streams === 2 && connections.lifecycles.length === 2);
  await until(() => connections.lifecycles.length === 1, "the stalled one to be cut");
  expect(quiet.closed).toBe(false);
  await hangUp(quiet);
  await hangUp(stalled);
  server.close();
});

it("a socket that requests much and reads no reply is terminated", async () => {
  await using curfew = await startCurfew({
    typeDefs: "type Query { big: String! }",
    resolvers: { Query: { big: () => "x".repeat(megabyte) } },
  });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.ws.pause();
  for (let i = 0; i < 90; i += 1) socket.subscribe(String(i), "{ big }");
  await until(() => curfew.connections.size === 0, "the cut");
});

it("a socket that pings and reads no pong is terminated", async () => {
  await using curfew = await startCurfew();
  await using socket = await RawSocket.open(curfew.socketUrl);
  socket.tcp.pause();
  // Masked with the key 0.
  const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
  const pings = Buffer.concat(Array.from({ length: 1_000 }, () => ping));
  let sent = 0;
  while (!socket.tcp.destroyed && sent < 64 * megabyte) {
    sent += pings.length;
    await new Promise((resolve) => socket.tcp.write(pings, resolve));
  }
  await until(() => socket.tcp.destroyed, "the cut");
});
