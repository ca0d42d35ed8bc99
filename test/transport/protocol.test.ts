/** graphql-transport-ws: protocol errors, keep-alive and the upgrade request. */
import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { ConnectionLimiter } from "../../src/connections/connection-limiter.ts";
import { SocketServer, type SocketServerOptions } from "../../src/websocket/server.ts";
import type { Refusal } from "../../src/connections/refusals.ts";
import { ConcurrencyLimiter } from "../../src/lib/concurrency-limiter.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { ThreadedSocket } from "../helpers/threaded-socket.ts";
import { countSubscriptions, intercept, memoryPubSub } from "../helpers/backends.ts";
import { RawSocket } from "../helpers/raw-socket.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

afterEach(() => vi.restoreAllMocks());

describe("a socket is closed", () => {
  it("with 4429 at a second connection_init", async () => {
    await using curfew = await startCurfew();
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.init({ token: accessToken });
    expect(await socket.closed).toMatchObject({ code: 4429 });
  });

  it("with 4401 at an operation before connection_init", async () => {
    await using curfew = await startCurfew();
    await using socket = await new TestSocket(curfew.socketUrl).opened();
    socket.subscribe("1", "{ viewer { user { id } } }");
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  it("with 4409 at an operation under an id in use", async () => {
    await using curfew = await startCurfew();
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.subscribe("1", "subscription { sessionEvents { type } }");
    socket.subscribe("1", "subscription { sessionEvents { type } }");
    expect(await socket.closed).toMatchObject({ code: 4409 });
  });

  it("with 4409 at the longest allowed id in use", async () => {
    await using curfew = await startCurfew();
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    const id = "ä".repeat(64);
    socket.subscribe(id, "subscription { sessionEvents { type } }");
    socket.subscribe(id, "subscription { sessionEvents { type } }");
    expect(await socket.closed).toMatchObject({ code: 4409 });
    expect(curfew.log).toContainEqual(expect.objectContaining({ reason: "PROTOCOL_4409" }));
  });

  it("with 4406 for an unknown subprotocol", async () => {
    await using curfew = await startCurfew();
    const ws = new WebSocket(curfew.socketUrl);
    const [code] = (await once(ws, "close")) as [number];
    expect(code).toBe(4406);
  });

  it.each(["subscribe", "complete"])(
    "with 4400 at a %s whose id has more than 128 bytes",
    async (type) => {
      await using curfew = await startCurfew();
      const { accessToken } = await register(curfew.url);
      await using socket = await connect(curfew.socketUrl, accessToken);
      const payload = { query: "{ viewer { user { id } } }" };
      socket.send({ id: "é".repeat(64), type: "subscribe", payload });
      expect(await socket.messages.next()).toMatchObject({ type: "next" });
      socket.send({ id: `${"é".repeat(64)}.`, type, payload });
      expect(await socket.closed).toEqual({
        code: 4400,
        reason: "Operation ids have at most 128 bytes",
      });
      expect(curfew.log).toContainEqual(expect.objectContaining({ reason: "PROTOCOL_4400" }));
    },
  );

  it.each([
    ["invalid JSON", "{", 4400],
    ["JSON that is no message", "null", 4400],
    ["a message of an unknown type", JSON.stringify({ type: "hello" }), 4400],
    ["an operation without an id", JSON.stringify({ type: "subscribe", payload: {} }), 4400],
    ["an operation without a query", JSON.stringify({ type: "subscribe", id: "1" }), 4400],
    ["a message that only servers send", JSON.stringify({ type: "next", id: "1" }), 4400],
    ["a binary message", Buffer.from(JSON.stringify({ type: "ping" })), 4400],
    ["a message over the limit", "x".repeat(256 * 1024 + 1), 1009],
  ])("at %s", async (_, message, code) => {
    await using curfew = await startCurfew();
    await using socket = await new TestSocket(curfew.socketUrl).opened();
    socket.ws.send(message);
    expect(await socket.closed).toMatchObject({ code });
    expect(await upgradeStatus(curfew.socketUrl)).toBe(101);
  });

  it("with 4408 when connection_init does not arrive in time", async () => {
    await using curfew = await startCurfew();
    await using sockets = await socketServer(curfew, { initTimeout: 20 });
    await using socket = await new TestSocket(sockets.url).opened();
    expect(await socket.closed).toMatchObject({ code: 4408 });
  });

  it("without a close frame when it does not answer a ping, and stays open when it does", async () => {
    await using curfew = await startCurfew();
    await using sockets = await socketServer(curfew, { keepAlive: 1_000 });
    await using lively = await new TestSocket(sockets.url).opened();
    await using deaf = await new TestSocket(sockets.url, { autoPong: false }).opened();
    expect(await deaf.closed).toMatchObject({ code: 1006 });
    expect(lively.ws.readyState).toBe(WebSocket.OPEN);
  });

  it("without a close frame when its pongs answer no ping", async () => {
    await using curfew = await startCurfew();
    await using sockets = await socketServer(curfew, { keepAlive: 50 });
    await using socket = await new TestSocket(sockets.url, { autoPong: false }).opened();
    const pongs = setInterval(() => socket.ws.pong(), 5);
    socket.ws.once("close", () => clearInterval(pongs));
    expect(await socket.closed).toMatchObject({ code: 1006 });
  });

  it("if it is dead, but not if the event loop stalled before its pong was read", async () => {
    const keepAlive = 1_000;
    await using curfew = await startCurfew();
    await using sockets = await socketServer(curfew, { keepAlive });
    await using lively = await new ThreadedSocket(sockets.url).opened();
    await using dead = await RawSocket.open(sockets.url);
    const stall = vi.spyOn(WebSocket.prototype, "ping").mockImplementationOnce(function (
      this: WebSocket,
      mark: unknown,
    ) {
      lively.holdPongs();
      // Right after this round of pings, until the next one is due.
      setImmediate(() => lively.releasePongsAndBlock(keepAlive));
      this.ping(mark);
    });
    await dead.disconnected;
    expect(stall.mock.calls.length).toBeGreaterThan(1);
    const { pongCount: answered } = lively;
    await until(() => lively.pongCount > answered + 1, "two more pings");
    expect(lively.isOpen).toBe(true);
  });

  it("with 1013 at once when too many unauthenticated sockets are open", async () => {
    await using curfew = await startCurfew();
    const { accessToken: token } = await register(curfew.url);
    await using sockets = await socketServer(curfew, {
      strangers: new ConnectionLimiter({ each: 2, all: 2 }),
    });
    const open = () => new TestSocket(sockets.url).opened();
    await using one = await open();
    await using two = await open();
    const tooMany = { code: 1013, reason: "TOO_MANY_CONNECTIONS" };
    await using three = await open();
    expect(await three.closed).toEqual(tooMany);
    expect(sockets.refusals).toMatchObject([{ reason: "TOO_MANY_CONNECTIONS" }]);

    one.init({ token });
    expect(await one.messages.next()).toMatchObject({ type: "connection_ack" });
    two.ws.close();
    await two.closed;
    await using four = await open();
    await using five = await open();
    await using six = await open();
    expect(await six.closed).toEqual(tooMany);
    for (const { ws } of [one, four, five]) expect(ws.readyState).toBe(WebSocket.OPEN);
  });

  it("with 1013 when it is silent and displaced by a client of another network", async () => {
    await using curfew = await startCurfew();
    const { accessToken: token } = await register(curfew.url);
    await using sockets = await socketServer(curfew, {
      trustProxy: 1,
      strangers: new ConnectionLimiter({ each: 4, all: 40, displaces: true }),
    });
    await using opened = new AsyncDisposableStack();
    const open = async (address: string) => {
      const options = { headers: { "x-forwarded-for": address } };
      return opened.use(await new TestSocket(sockets.url, options).opened());
    };
    const signIn = async (address: string) => {
      const socket = await open(address);
      socket.init({ token });
      expect(await socket.messages.next()).toMatchObject({ type: "connection_ack" });
    };

    // Ten /64 networks of one /60 have the limit of four.
    for (let i = 0; i < 40; i += 1) await open(`2001:db8:0:${i % 10}::1`);
    await until(() => sockets.refusals.length === 24);
    await signIn("192.0.2.1");
    expect(sockets.refusals).toHaveLength(24);

    // Many networks of one provider reach the total limit, and a client elsewhere displaces one of them.
    for (let i = 0; i < 24; i += 1) await open(`2001:db8:${i + 1}::1`);
    expect(sockets.refusals).toHaveLength(24);
    for (const address of ["192.0.2.1", "2001:db8:ffff::1", "198.51.100.1"]) await signIn(address);
    // Each of them was released at authentication.
    expect(sockets.refusals.slice(24)).toMatchObject([
      {
        reason: "TOO_MANY_CONNECTIONS",
        device: { ipAddress: expect.stringMatching(/^2001:db8:0:/) },
      },
    ]);
  });

  it("with 1013 when its admission takes too long, and leaves nothing behind", async () => {
    const confirmed = Promise.withResolvers<void>();
    const pubsub = countSubscriptions(memoryPubSub());
    const slow = intercept(pubsub.part, {
      subscribe: (real) => async (topic, listener) => {
        const leave = await real(topic, listener);
        await confirmed.promise;
        return leave;
      },
    });
    await using curfew = await startCurfew({ backends: { pubsub: slow } });
    const { accessToken, sessionId } = await register(curfew.url);
    await using sockets = await socketServer(curfew, { admissionTimeout: 20 });
    await using socket = await new TestSocket(sockets.url).opened();
    socket.init({ token: accessToken });
    expect(await socket.closed).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
    expect(sockets.refusals).toEqual([expect.objectContaining({ reason: "TIMEOUT" })]);
    expect(sockets.refusals[0]?.claims?.fingerprint).toBe(sessionId);
    await until(() => curfew.connections.fingerprints.length === 0);
    confirmed.resolve();
    await until(() => pubsub.subscriptions === 0);
  });
});

describe("the upgrade", () => {
  it("is refused to pages of other origins before a message is read", async () => {
    await using curfew = await startCurfew({ allowedOrigins: ["https://*.example.com"] });
    for (const origin of ["https://example.org", "https://example.com.evil.test", "null"])
      expect(await upgradeStatus(curfew.socketUrl, { origin })).toBe(403);
    const lines = curfew.log.filter(({ event }) => event === "refused");
    const line = { transport: "socket", reason: "ORIGIN", address: "127.0.0.1" };
    expect(lines).toEqual(Array.from({ length: 3 }, () => expect.objectContaining(line)));
  });

  it("is allowed for the server's own pages, listed origins and clients that are not browsers", async () => {
    const allowedOrigins = ["https://app.test", "https://*.example.com"];
    await using curfew = await startCurfew({ allowedOrigins });
    const own = new URL(curfew.url).origin;
    for (const origin of [own, "https://app.test", "https://a.b.example.com", undefined])
      expect(await upgradeStatus(curfew.socketUrl, origin ? { origin } : {})).toBe(101);
  });

  it("is decided by Fetch Metadata where the browser sends it", async () => {
    await using curfew = await startCurfew({ allowedOrigins: ["https://app.test"] });
    const own = new URL(curfew.url).origin;
    const status = (site: string, origin: string) =>
      upgradeStatus(curfew.socketUrl, { origin, headers: { "sec-fetch-site": site } });
    expect(await status("same-origin", own)).toBe(101);
    // Behind a proxy that sends its own host.
    expect(await status("same-origin", "https://public.test")).toBe(101);
    expect(await status("cross-site", "https://app.test")).toBe(101);
    expect(await status("cross-site", own)).toBe(403);
    expect(await status("same-site", "https://evil.test")).toBe(403);
    expect(await status("cross-site", "null")).toBe(403);
  });

  it("is accepted only at the path of GraphQL", async () => {
    await using curfew = await startCurfew();
    const { origin } = new URL(curfew.socketUrl);
    for (const path of ["/", "/graphq", "/graphqlx", "/x/graphql", "/health"])
      expect(await upgradeStatus(origin + path)).toBe(404);
    expect(await upgradeStatus(`${curfew.socketUrl}?app=1`)).toBe(101);
  });
});

async function upgradeStatus(url: string, options: ClientOptions = {}): Promise<number> {
  const ws = new WebSocket(url, "graphql-transport-ws", options);
  ws.on("error", () => {});
  const status = Promise.withResolvers<number>();
  ws.once("open", () => status.resolve(101));
  ws.once("unexpected-response", (_request, response) => status.resolve(response.statusCode ?? 0));
  try {
    return await status.promise;
  } finally {
    ws.terminate();
  }
}

/** A socket server with the test's own time-outs, without operations. */
async function socketServer(
  { sessions, connections }: TestCurfew,
  limits: Partial<
    Pick<
      SocketServerOptions,
      "initTimeout" | "admissionTimeout" | "keepAlive" | "places" | "strangers" | "trustProxy"
    >
  >,
) {
  const refusals: Refusal[] = [];
  const sockets = new SocketServer({
    pipeline: undefined as never,
    sessions,
    connections,
    noteRefusal: (refusal) => refusals.push(refusal),
    trustProxy: 0,
    allowsOrigin: () => true,
    maxMessageSize: 1000,
    maxOperationsPerSocket: 1,
    initTimeout: 10_000,
    admissionTimeout: 10_000,
    admissionLimiter: new ConcurrencyLimiter({ atOnce: 1, waiting: 0 }),
    keepAlive: 10_000,
    places: new ConnectionLimiter({ each: 100 }),
    strangers: new ConnectionLimiter({ each: 100 }),
    reportError: (_what, error) => {
      throw error;
    },
    ...limits,
  });
  const http = createServer().listen(0, "127.0.0.1");
  http.on("upgrade", (request, stream, head) => sockets.upgrade(request, stream, head));
  await once(http, "listening");
  const address = http.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    url: `ws://127.0.0.1:${port}/graphql`,
    refusals,
    async [Symbol.asyncDispose]() {
      await sockets.close();
      http.close();
      await once(http, "close");
    },
  };
}
