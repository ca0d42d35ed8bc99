/** Operations in flight at a connection's deadline: graphql-ws's client must not run them twice. */
import { createClient } from "graphql-ws";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { Stream } from "../../src/lib/bounded-queue.ts";
import { repliesTimeout } from "../../src/connections/lifecycle.ts";
import { startOwnServer } from "../integrations/own-server.ts";
import { testApp } from "../helpers/app.ts";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import { ask, password, register, renew } from "../helpers/http.ts";
import { breakable, memoryStore } from "../helpers/backends.ts";
import { Queue } from "../helpers/queue.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const minute = 60_000;
const lifetime = 10 * minute;
const resolution = 250;
const sessionExpired = { code: 4403, reason: "SESSION_EXPIRED" };
const hours = { recheckInterval: 60 * minute, outageGrace: 60 * minute };
const options = { accessTokenTtl: lifetime, renewalExtends: "none", ...hours } as const;

afterEach(() => void vi.restoreAllMocks());

async function startOwn() {
  const [app, clock] = [testApp(), fakeClock()];
  const curfew = await startCurfew({ ...app.schema, ...options, clock });
  return Object.assign(curfew, { app, clock });
}

async function startEmbedded() {
  const clock = fakeClock();
  const server = await startOwnServer({ ...options, clock });
  return Object.assign(server, { clock });
}

describe.each([
  ["Curfew's own server", startOwn],
  ["graphql-ws in an app's own server", startEmbedded],
])("on %s", (_, start) => {
  it("graphql-ws's client gets the reply, runs the mutation once, and reconnects with its subscriptions", async () => {
    await using server = await start();
    const signedIn = await register(server.url);
    let token = signedIn.accessToken;
    const log = new Queue<string>();
    const said = new Queue<unknown>();
    const client = createClient({
      url: server.socketUrl,
      webSocketImpl: WebSocket,
      lazy: true,
      retryAttempts: Infinity,
      shouldRetry: () => true,
      retryWait: async () => {},
      connectionParams: () => ({ token }),
      on: {
        closed: (event) => log.push(`closed ${(event as { code: number }).code}`),
        connected: () => log.push("connected"),
      },
    });
    const subscribed = client.iterate({ query: "subscription { said }" });
    const reading = (async () => {
      for await (const { data } of subscribed) said.push(data?.["said"]);
    })();
    expect(await said.next()).toBe("ready");
    const results: unknown[] = [];
    const mutation = (async () => {
      const query = `mutation { sayLater(text: "once") }`;
      for await (const result of client.iterate({ query })) {
        log.push("answered");
        results.push(result.data);
      }
    })();
    await server.app.started;
    expect(await log.next()).toBe("connected");

    const next = await renew(server.url, signedIn.renewalToken);
    if (typeof next === "string") throw new Error(next);
    token = next.accessToken;
    server.clock.advance(lifetime - 1);
    await using watch = await connect(server.socketUrl, token);
    server.clock.advance(1 + resolution);
    expect(await watch.closed).toEqual(sessionExpired);
    const last = await renew(server.url, next.renewalToken);
    if (typeof last === "string") throw new Error(last);
    token = last.accessToken;
    await server.events.publish("said", "while it closes");
    server.app.release();
    await mutation;
    expect(results).toEqual([{ sayLater: "once" }]);
    expect([await log.next(), await log.next(), await log.next()]).toEqual([
      "answered",
      "closed 4403",
      "connected",
    ]);
    expect(await said.next()).toBe("ready");
    await server.events.publish("said", "back");
    expect(await said.next()).toBe("back");
    expect(server.app.calls).toEqual(["once"]);
    await subscribed.return?.();
    await reading;
    await client.dispose();
  });

  it("an operation received while the socket waits to close is neither started nor answered", async () => {
    await using server = await start();
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", `mutation { sayLater(text: "begun") }`);
    await server.app.started;
    server.clock.advance(lifetime);
    socket.subscribe("2", `mutation { say(text: "late") }`);
    socket.subscribe("3", "no document");
    socket.send({ type: "ping" });
    expect(await socket.messages.next()).toEqual({ type: "pong" });
    server.app.release();
    expect(await socket.messages.next()).toMatchObject({ id: "1", type: "next" });
    expect(await socket.messages.next()).toMatchObject({ id: "1", type: "complete" });
    expect(await socket.closed).toEqual(sessionExpired);
    expect(socket.messages.pending).toEqual([]);
    expect(server.app.calls).toEqual(["begun"]);
  });

  it("a session end while the socket waits to close closes it at once with 4401", async () => {
    await using server = await start();
    const { accessToken, renewalToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    await using idle = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", `mutation { sayLater(text: "x") }`);
    await server.app.started;
    server.clock.advance(lifetime + resolution);
    expect(await idle.closed).toEqual(sessionExpired);
    const query = "mutation ($token: String) { logout(token: $token) { endedSessions } }";
    const { data } = await ask(server.url, query, { variables: { token: renewalToken } });
    expect(data.logout.endedSessions).toBe(1);
    expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
    server.app.release();
    expect(socket.messages.pending).toEqual([]);
  });

  it("a password change on the socket lets the other answers go out first", async () => {
    await using server = await start();
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", `mutation { sayLater(text: "once") }`);
    await server.app.started;
    socket.subscribe(
      "2",
      `mutation {
      changePassword(currentPassword: "${password}", newPassword: "another long password") { __typename }
    }`,
    );
    expect(await socket.messages.next()).toMatchObject({ id: "2", type: "next" });
    expect(await socket.messages.next()).toMatchObject({ id: "2", type: "complete" });
    socket.subscribe("3", `mutation { say(text: "late") }`);
    server.app.release();
    expect(await socket.messages.next()).toMatchObject({
      id: "1",
      payload: { data: { sayLater: "once" } },
    });
    expect(await socket.messages.next()).toMatchObject({ id: "1", type: "complete" });
    expect(await socket.closed).toEqual(sessionExpired);
    expect(server.app.calls).toEqual(["once"]);
  });

  it("operations that arrive while the socket closes are refused beyond the limit", async () => {
    await using server = await start();
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", `mutation { sayLater(text: "begun") }`);
    await server.app.started;
    await using idle = await connect(server.socketUrl, accessToken);
    server.clock.advance(lifetime + resolution);
    expect(await idle.closed).toEqual(sessionExpired);
    for (let i = 2; i <= 150; i += 1) socket.subscribe(`${i}`, "{ hello }");
    for (let i = 101; i <= 150; i += 1)
      expect(await socket.messages.next()).toMatchObject({
        id: `${i}`,
        type: "error",
        payload: [{ extensions: { code: "TOO_MANY_REQUESTS" } }],
      });
    server.app.release();
    expect(await socket.messages.next()).toMatchObject({ id: "1", type: "next" });
    expect(await socket.messages.next()).toMatchObject({ id: "1", type: "complete" });
    expect(await socket.closed).toEqual(sessionExpired);
    expect(socket.messages.pending).toEqual([]);
  });

  it("a ping with a token is answered with the socket's expiry and never echoes the token", async () => {
    await using server = await start();
    const { accessToken, renewalToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    server.clock.advance(minute);
    const next = await renew(server.url, renewalToken);
    if (typeof next === "string") throw new Error(next);
    const pong = async (payload: unknown) => {
      socket.send({ type: "ping", payload });
      return socket.messages.next();
    };
    expect(await pong({ token: `Bearer ${next.accessToken}` })).toEqual({
      type: "pong",
      payload: { accessTokenExpiresAt: next.accessTokenExpiresAt },
    });
    const unknown = await pong({ token: renewalToken, accessTokenExpiresAt: "never" });
    expect(unknown.payload ?? {}).toEqual({});
    server.clock.advance(lifetime - minute + resolution);
    socket.subscribe("1", "{ own }");
    expect((await socket.messages.next()).payload.data).toEqual({ own: next.sessionId });
    const other = await register(server.url);
    socket.send({ type: "ping", payload: { token: other.accessToken } });
    expect(await socket.closed).toEqual({ code: 4401, reason: "UNAUTHENTICATED" });
  });
});

it("a mutation's incremental result is sent completely before the socket closes at expiry", async () => {
  const clock = fakeClock();
  const items = new Stream<number>(() => {});
  let calls = 0;
  const typeDefs = /* GraphQL */ `
    directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
    type Mutation {
      make: Made! @authenticated
    }
    type Made {
      items: [Int!]!
    }
  `;
  const make = () => {
    calls += 1;
    return {
      items: async function* () {
        yield* items;
      },
    };
  };
  const resolvers = { Mutation: { make } };
  await using curfew = await startCurfew({ typeDefs, resolvers, ...options, clock });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  await using idle = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "mutation { make { items @stream } }");
  expect((await socket.messages.next()).payload).toMatchObject({ data: { make: { items: [] } } });
  clock.advance(lifetime + resolution);
  expect(await idle.closed).toEqual(sessionExpired);
  items.push(1);
  expect((await socket.messages.next()).payload.incremental).toMatchObject([{ items: [1] }]);
  items.close();
  let last = await socket.messages.next();
  while (last.type === "next") last = await socket.messages.next();
  expect(last).toMatchObject({ id: "1", type: "complete" });
  expect(await socket.closed).toEqual(sessionExpired);
  expect(calls).toBe(1);
});

it("an expired socket closes after the time-out although a reply is still in flight", async () => {
  await using curfew = await startOwn();
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", `mutation { sayLater(text: "slow") }`);
  await curfew.app.started;
  const timers: (() => void)[] = [];
  const real = globalThis.setTimeout;
  vi.spyOn(globalThis, "setTimeout").mockImplementation((run: () => void, time?: number) => {
    if (time === repliesTimeout) timers.push(run);
    return real(run, time);
  });
  curfew.clock.advance(lifetime + resolution);
  await until(() => timers.length === 1, "the deadline to come");
  expect(socket.ws.readyState).toBe(WebSocket.OPEN);
  timers[0]?.();
  expect(await socket.closed).toEqual(sessionExpired);
  curfew.app.release();
});

it("a reply in flight is sent before a socket closes because the store is unavailable", async () => {
  const store = breakable(memoryStore());
  const [app, clock] = [testApp(), fakeClock()];
  await using curfew = await startCurfew({
    ...app.schema,
    ...options,
    clock,
    backends: { store: store.part },
  });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  await using idle = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", `mutation { sayLater(text: "once") }`);
  await app.started;
  store.goDown();
  clock.advance(lifetime + resolution);
  expect(await idle.closed).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
  app.release();
  expect((await socket.messages.next()).payload.data).toEqual({ sayLater: "once" });
  expect(await socket.messages.next()).toMatchObject({ type: "complete" });
  expect(await socket.closed).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
});
