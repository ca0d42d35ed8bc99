/** Clients that leave or complete an operation before it has started or while it runs: nothing is left behind. */
import { describe, expect, it } from "vitest";
import type { CurfewContext } from "../../src/graphql/context.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import type { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { testApp } from "../helpers/app.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { logout, register } from "../helpers/http.ts";
import { countSubscriptions, intercept, memoryStore, memoryPubSub } from "../helpers/backends.ts";
import { Queue } from "../helpers/queue.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

/** Subscriptions that start when the test opens a gate, and a query that is answered then. */
function gatedApp() {
  const gate = Promise.withResolvers<void>();
  const begun = new Queue<ConnectionLifecycle>();
  const opened = new Queue<void>();
  const returned = new Queue<void>();
  const resolved: unknown[] = [];
  const subscribe = async (_parent: unknown, _args: unknown, context: CurfewContext) => {
    begun.push(context.caller.lifecycle);
    await gate.promise;
    const source = await context.events.subscribe("said");
    const leave = source.return.bind(source);
    source.return = () => (returned.push(), leave());
    opened.push();
    return source;
  };
  const resolve = (text: unknown) => (resolved.push(text), text);
  const slow = async (_parent: unknown, _args: unknown, context: CurfewContext) => {
    begun.push(context.caller.lifecycle);
    await gate.promise;
    return "done";
  };
  return {
    schema: {
      typeDefs: /* GraphQL */ `
        type Query {
          hello: String
          slow: String
        }
        type Subscription {
          said: String! @authenticated
          heard: String!
        }
      `,
      resolvers: {
        Query: { hello: () => "world", slow },
        Subscription: { said: { subscribe, resolve }, heard: { subscribe, resolve } },
      },
    } satisfies CurfewOptions,
    /** Lifecycles of operations that wait for `open`. */
    begun,
    /** Numbers of sources that were opened and returned. */
    opened,
    returned,
    /** Arguments of the subscription resolvers' calls. */
    resolved,
    open: () => gate.resolve(),
  };
}

function ended(lifecycle: ConnectionLifecycle): Promise<unknown> {
  return new Promise((resolve) => lifecycle.onEnd(resolve));
}

/** A request that the client aborts without reading the response. */
function request(url: string, query: string, token?: string) {
  const abort = new AbortController();
  const headers = {
    accept: "text/event-stream, application/json",
    "content-type": "application/json",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const body = JSON.stringify({ query });
  fetch(url, { method: "POST", headers, body, signal: abort.signal }).catch(() => {});
  return { abort: () => abort.abort() };
}

describe("a stream's client that leaves while its subscription starts", () => {
  it.each([
    ["said", "signed in"],
    ["heard", "signed in"],
    ["heard", "anonymous"],
  ])("leaves no source of %s behind, %s", async (field, who) => {
    const app = gatedApp();
    await using curfew = await startCurfew(app.schema);
    const { accessToken } = await register(curfew.url);
    const token = who === "anonymous" ? undefined : accessToken;
    const client = request(curfew.url, `subscription { ${field} }`, token);
    const lifecycle = await app.begun.next();
    client.abort();
    await ended(lifecycle);
    app.open();
    await app.returned.next();
    expect(curfew.connections.size).toBe(0);
  });

  it("leaves no watch of its sessions behind", async () => {
    const listing = new Queue<void>();
    const gate = Promise.withResolvers<void>();
    const pubsub = countSubscriptions(memoryPubSub());
    const store = intercept(memoryStore(), {
      listByUser: (real) => async (userId, now) => {
        listing.push();
        await gate.promise;
        return real(userId, now);
      },
    });
    await using curfew = await startCurfew({
      // A login lists the sessions too, to enforce a limit.
      maxSessionsPerUser: 0,
      backends: { pubsub: pubsub.part, store },
    });
    const { accessToken: token } = await register(curfew.url);
    const client = request(curfew.url, "subscription { sessionEvents { type } }", token);
    await listing.next();
    client.abort();
    await until(() => curfew.connections.size === 0, "the client to have left");
    gate.resolve();
    await until(() => pubsub.subscriptions === 0, "the watch to have ended");
  });

  it("releases its connection slot, however often it reconnects", async () => {
    const app = gatedApp();
    await using curfew = await startCurfew({ ...app.schema, maxSocketsPerSession: 2 });
    const { accessToken: token, sessionId } = await register(curfew.url);
    for (let i = 0; i < 3; i += 1) {
      const client = request(curfew.url, "subscription { said }", token);
      const lifecycle = await app.begun.next();
      client.abort();
      await ended(lifecycle);
    }
    app.open();
    for (let i = 0; i < 3; i += 1) await app.returned.next();
    await using one = await connect(curfew.socketUrl, token);
    await using two = await connect(curfew.socketUrl, token);
    for (const socket of [one, two]) expect(socket.ack.sessionId).toBe(sessionId);
  });
});

describe("an operation id that is reused while the previous operation starts", () => {
  const uses = 4;

  async function useAgain(app: ReturnType<typeof gatedApp>, socket: TestSocket) {
    for (let i = 0; i < uses; i += 1) {
      if (i > 0) socket.send({ id: "1", type: "complete" });
      socket.subscribe("1", "subscription { said }");
      await app.begun.next();
    }
    app.open();
    for (let i = 0; i < uses; i += 1) await app.opened.next();
  }

  /** Expects that a new event is resolved only for the other session's subscription. */
  async function expectSilence(app: ReturnType<typeof gatedApp>, curfew: TestCurfew) {
    const { accessToken } = await register(curfew.url);
    // It subscribed after the others, so they would have received the event before.
    await using witness = await connect(curfew.socketUrl, accessToken);
    witness.subscribe("1", "subscription { said }");
    await app.opened.next();
    await curfew.events.publish("said", "after the end");
    expect((await witness.messages.next()).payload.data).toEqual({ said: "after the end" });
    expect(app.resolved).toEqual(["after the end"]);
  }

  it("leaves no source open when the socket closes", async () => {
    const app = gatedApp();
    await using curfew = await startCurfew(app.schema);
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    await useAgain(app, socket);
    socket.ws.terminate();
    for (let i = 0; i < uses; i += 1) await app.returned.next();
    await logout(curfew.url, accessToken);
    await expectSilence(app, curfew);
  });

  it("leaves no source open after a logout", async () => {
    const app = gatedApp();
    await using curfew = await startCurfew(app.schema);
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    await useAgain(app, socket);
    await logout(curfew.url, accessToken);
    expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
    await expectSilence(app, curfew);
    for (let i = 0; i < uses; i += 1) await app.returned.next();
  });
});

it("operations that the client completed but that still run count towards the socket's limit", async () => {
  const app = gatedApp();
  await using curfew = await startCurfew({ ...app.schema, maxOperationsPerSocket: 1 });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "{ slow }");
  await app.begun.next();
  socket.send({ id: "1", type: "complete" });
  let tries = 1;
  const ask = async () => {
    socket.subscribe(`${(tries += 1)}`, "{ hello }");
    return socket.messages.next();
  };
  const refused = { type: "error", payload: [{ extensions: { code: "TOO_MANY_REQUESTS" } }] };
  expect(await ask()).toMatchObject(refused);
  app.open();
  await until(async () => (await ask()).type === "next", "the first to be done");
});

it("a slow request does not count as a connection, and leaves its session when its client leaves", async () => {
  const app = testApp();
  await using curfew = await startCurfew({ ...app.schema, maxSocketsPerSession: 1 });
  const { accessToken: token, sessionId } = await register(curfew.url);
  const client = request(curfew.url, "{ slow }", token);
  await until(() => curfew.connections.size === 1, "the request to have come under its session");
  await using socket = await connect(curfew.socketUrl, token);
  expect(socket.ack.sessionId).toBe(sessionId);
  expect(curfew.connections.size).toBe(2);
  client.abort();
  await until(() => curfew.connections.size === 1, "the request to have left");
});

it("a client that leaves while plugins look at its request leaves no stream behind", async () => {
  const app = gatedApp();
  const looking = new Queue<void>();
  const answered = new Queue<void>();
  await using curfew = await startCurfew({
    ...app.schema,
    plugins: [
      {
        // Until its client has left.
        onParams: async ({ request: { signal } }) => {
          const left = new Promise((resolve) => {
            signal.addEventListener("abort", resolve);
          });
          looking.push();
          await left;
        },
        onExecutionResult: () => {
          answered.push();
        },
      },
    ],
  });
  const client = request(curfew.url, "subscription { heard }");
  await looking.next();
  client.abort();
  app.open();
  await answered.next();
  expect(curfew.connections.lifecycles).toEqual([]);
});
