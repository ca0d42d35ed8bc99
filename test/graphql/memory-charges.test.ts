/** The memory charge of an operation is released, however the operation ends. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryLedger } from "../../src/connections/memory-ledger.ts";
import { startOwnServer } from "../integrations/own-server.ts";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, logout, register, renew, type SignedIn } from "../helpers/http.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

afterEach(() => vi.restoreAllMocks());

const watching = "subscription { sessionEvents { type } }";

/** Observes the memory ledger of the next server that is started. */
function watchLedger() {
  const operation = vi.spyOn(MemoryLedger.prototype, "operation");
  const size = () => {
    const [ledger] = operation.mock.contexts;
    return ledger instanceof MemoryLedger ? ledger.size : 0;
  };
  return { operation, size, empty: () => until(() => size() === 0, "all memory to be released") };
}

/** Waits until that many operations have been charged. */
async function untilCharged({ operation }: ReturnType<typeof watchLedger>, count: number) {
  await until(() => operation.mock.calls.length >= count, "the operations");
}

describe.each(["with Curfew's own server", "with an app's own server"])("%s", (which) => {
  const start = async () => {
    const app = testApp();
    const server =
      which === "with Curfew's own server" ? await startCurfew(app.schema) : await startOwnServer();
    return server;
  };

  it.each(["complete", "close", "terminate", "logout"])(
    "the memory of operations on a socket is released after: %s",
    async (end) => {
      const ledger = watchLedger();
      await using server = await start();
      const { accessToken } = await register(server.url);
      await using socket = await connect(server.socketUrl, accessToken);
      await ledger.empty();
      ledger.operation.mock.calls.length = 0;
      for (let i = 0; i < 5; i += 1) socket.subscribe(`${i}`, watching);
      await untilCharged(ledger, 5);
      expect(ledger.size()).toBeGreaterThan(5 * 6_000);
      if (end === "complete")
        for (let i = 0; i < 5; i += 1) socket.send({ id: `${i}`, type: "complete" });
      if (end === "close") socket.ws.close();
      if (end === "terminate") socket.ws.terminate();
      if (end === "logout") await logout(server.url, accessToken);
      await ledger.empty();
    },
  );

  it("the memory of refused and failed operations is released, on a socket and over HTTP", async () => {
    const ledger = watchLedger();
    await using server = await start();
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    const queries = [
      "{ broken }",
      "{ nothing }",
      "{",
      "query A { hello } query B { hello }",
      "subscription { broken }",
      "{ own }",
      "query ($x: Boolean!) { hello @include(if: $x) }",
    ];
    for (const query of queries) {
      socket.subscribe(query.slice(0, 20), query);
      await socket.messages.next();
      await ask(server.url, query, { token: accessToken });
      await ask(server.url, query);
    }
    await ledger.empty();
  });

  it("the memory of an event stream is released when the client leaves", async () => {
    const ledger = watchLedger();
    await using server = await start();
    const { accessToken } = await register(server.url);
    await ledger.empty();
    const leaving = new AbortController();
    const response = await fetch(`${server.url}?query=${encodeURIComponent(watching)}`, {
      headers: { accept: "text/event-stream", authorization: `Bearer ${accessToken}` },
      signal: leaving.signal,
    });
    expect(response.status).toBe(200);
    expect(ledger.size()).toBeGreaterThan(0);
    leaving.abort();
    await ledger.empty();
  });

  it("an id over 128 bytes closes the socket with 4400", async () => {
    await using server = await start();
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("x".repeat(129), watching);
    expect(await socket.closed).toEqual({
      code: 4400,
      reason: "Operation ids have at most 128 bytes",
    });
  });
});

it.each([
  ["", []],
  [" through plugins", [{}]],
])(
  "an operation%s releases its charge when its session ends between its check and its start",
  async (_, plugins) => {
    const ledger = watchLedger();
    const [read, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isHeld = false;
    const store = intercept(memoryStore(), {
      read:
        (real) =>
        async (...args) => {
          const session = await real(...args);
          if (isHeld) {
            isHeld = false;
            read.resolve();
            await gate.promise;
          }
          return session;
        },
    });
    await using curfew = await startCurfew({
      ...testApp().schema,
      plugins,
      backends: { store },
      // Otherwise the check refuses it.
      rememberEnds: 0,
    });
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    await ledger.empty();
    ledger.operation.mock.calls.length = 0;
    isHeld = true;
    socket.subscribe("1", watching);
    await read.promise;
    expect(await logout(curfew.url, accessToken)).toBe(1);
    gate.resolve();
    await untilCharged(ledger, 1);
    await ledger.empty();
  },
);

describe("an operation that needs too much memory", () => {
  const variables = { unused: "x".repeat(260_000) };

  it("is refused over HTTP and on a socket, which executes the next one", async () => {
    await using curfew = await startCurfew({ ...testApp().schema, maxMemoryPerSession: 1_048_576 });
    const { accessToken: token } = await register(curfew.url);
    const refused = { extensions: { code: "TOO_MANY_REQUESTS" } };
    const answer = await ask(curfew.url, "{ hello }", { token, variables });
    expect(answer).toMatchObject({ errors: [refused] });
    await using socket = await connect(curfew.socketUrl, token);
    socket.subscribe("1", "{ hello }", variables);
    expect(await socket.messages.next()).toMatchObject({ type: "error", payload: [refused] });
    for (const id of ["1", "2"]) {
      socket.subscribe(id, "{ hello }");
      expect(await socket.messages.next()).toMatchObject({ id, type: "next" });
      expect(await socket.messages.next()).toMatchObject({ id, type: "complete" });
    }
  });

  it("does not stop a session that has used up its memory from being renewed and ended", async () => {
    await using curfew = await startCurfew({
      ...testApp().schema,
      maxMemoryPerSession: 1_048_576,
      maxOperationsPerSocket: 1_000,
    });
    const { accessToken, renewalToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    for (let i = 0; i < 300; i += 1) socket.subscribe(`${i}`, watching);
    const message = await socket.messages.next();
    expect(message).toMatchObject({ payload: [{ extensions: { code: "TOO_MANY_REQUESTS" } }] });
    const renewed = await renew(curfew.url, renewalToken);
    expect(renewed).toHaveProperty("accessToken");
    expect(await logout(curfew.url, (renewed as SignedIn).accessToken)).toBe(1);
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  it("does not affect running operations, and succeeds after one of them has ended", async () => {
    await using curfew = await startCurfew({
      ...testApp().schema,
      maxMemoryPerSession: 1_048_576,
      maxOperationsPerSocket: 1_000,
    });
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    const said = "subscription { said }";
    let running = 0;
    for (; ; running += 1) {
      socket.subscribe(`${running}`, said);
      const message = await socket.messages.next();
      if (message.type === "error") break;
    }
    expect(running).toBeGreaterThan(5);
    socket.send({ id: "0", type: "complete" });
    await until(async () => {
      socket.subscribe("again", said);
      return (await socket.messages.next()).type === "next";
    });
    await ask(curfew.url, 'mutation { say(text: "to all") }', { token: accessToken });
    for (let i = 0; i < running; i += 1)
      expect(await socket.messages.next()).toMatchObject({ payload: { data: { said: "to all" } } });
  });
});

describe("errors", () => {
  it("of a query have locations, on a socket and over HTTP", async () => {
    await using curfew = await startCurfew(testApp().schema);
    const { accessToken } = await register(curfew.url);
    const errors = [{ locations: [{ line: 2, column: 3 }], path: ["broken"] }];
    expect(await ask(curfew.url, "{\n  broken }")).toMatchObject({ errors });
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.subscribe("1", "{\n  broken }");
    expect(await socket.messages.next()).toMatchObject({ payload: { errors } });
  });
});
