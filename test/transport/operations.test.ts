/** Operations on one socket: the failure of one does not affect the others. */
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, newEmail, password, register } from "../helpers/http.ts";
import { breakable, intercept, memoryStore } from "../helpers/backends.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";

/** Starts a subscription on the socket; resolves when it runs. */
async function listening(socket: TestSocket) {
  socket.subscribe("events", "subscription { said }");
  expect(await socket.messages.next()).toMatchObject({ payload: { data: { said: "ready" } } });
}

/** Expects that its subscription still runs. */
async function expectUnharmed(socket: TestSocket, say: (text: string) => Promise<unknown>) {
  await say("still there");
  expect(await socket.messages.next()).toMatchObject({
    id: "events",
    type: "next",
    payload: { data: { said: "still there" } },
  });
}

it.each([
  ["a syntax error", "{", undefined],
  ["an unknown field", "{ nothing }", "GRAPHQL_VALIDATION_FAILED"],
  ["no operation", "fragment F on Query { hello }", undefined],
])(
  "%s is answered with an error, and nothing else happens to the socket",
  async (_, query, code) => {
    const app = testApp();
    await using curfew = await startCurfew(app.schema);
    const { accessToken: token } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, token);
    await listening(socket);
    socket.subscribe("1", query);
    const { type, id, payload } = await socket.messages.next();
    expect({ type, id }).toEqual({ type: "error", id: "1" });
    expect(payload[0].message).toMatch(/./);
    if (code) expect(payload[0].extensions).toEqual({ code });
    await expectUnharmed(socket, (text) => curfew.events.publish("said", text));
  },
);

it.each([
  ["query", "{ broken }", "next"],
  ["subscription", "subscription { broken }", "error"],
])(
  "an unexpected error of an app's %s is masked for the client and logged once",
  async (_, query) => {
    await using curfew = await startCurfew(testApp().schema);
    const { accessToken: token } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, token);
    await listening(socket);
    socket.subscribe("1", query);
    const { payload } = await socket.messages.next();
    const errors = Array.isArray(payload) ? payload : payload.errors;
    expect(errors).toEqual([
      expect.objectContaining({
        message: "Unexpected error.",
        path: ["broken"],
        extensions: { code: "INTERNAL_SERVER_ERROR" },
      }),
    ]);
    expect(curfew.log.filter((line) => JSON.stringify(line).includes("a secret"))).toHaveLength(1);
  },
);

it("an unexpected error of the store is masked and logged, and the socket stays open", async () => {
  let damaged = false;
  const store = intercept(memoryStore(), {
    read: (real) => async (fingerprint, now) => {
      if (damaged) throw new Error("The record of a session is damaged");
      return real(fingerprint, now);
    },
  });
  await using curfew = await startCurfew({ ...testApp().schema, backends: { store } });
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  damaged = true;
  socket.subscribe("1", "{ hello }");
  expect(await socket.messages.next()).toMatchObject({
    type: "error",
    payload: [{ message: "Unexpected error.", extensions: { code: "INTERNAL_SERVER_ERROR" } }],
  });
  damaged = false;
  socket.subscribe("2", "{ hello }");
  expect(await socket.messages.next()).toMatchObject({ type: "next", id: "2" });
  expect(curfew.log.filter((line) => JSON.stringify(line).includes("is damaged"))).toHaveLength(1);
});

it("while the store is unavailable no operation starts, and the socket and its running operations stay", async () => {
  const app = testApp();
  const store = breakable(memoryStore());
  await using curfew = await startCurfew({ ...app.schema, backends: { store: store.part } });
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  await listening(socket);
  store.goDown();
  socket.subscribe("1", `mutation { say(text: "not now") }`);
  expect(await socket.messages.next()).toMatchObject({
    type: "error",
    payload: [{ extensions: { code: "SERVICE_UNAVAILABLE" } }],
  });
  expect(app.calls).not.toContain("not now");
  await expectUnharmed(socket, (text) => curfew.events.publish("said", text));
});

it("an operation over the limit is refused, and accepted when another is done", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, maxOperationsPerSocket: 2 });
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  await listening(socket);
  socket.subscribe("2", "subscription { blocked }");
  expect(await socket.messages.next()).toMatchObject({ id: "2", type: "next" });
  socket.subscribe("3", "{ hello }");
  expect(await socket.messages.next()).toMatchObject({
    id: "3",
    type: "error",
    payload: [{ extensions: { code: "TOO_MANY_REQUESTS" } }],
  });
  socket.send({ type: "complete", id: "events" });
  socket.subscribe("4", "{ hello }");
  expect(await socket.messages.next()).toMatchObject({ type: "next", id: "4" });
});

it("a subscription that its client completes delivers no more events", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  await listening(socket);
  socket.send({ type: "complete", id: "events" });
  socket.send({ type: "ping" });
  expect(await socket.messages.next()).toEqual({ type: "pong" });
  await curfew.events.publish("said", "without subscriber");
  socket.subscribe("1", "{ hello }");
  expect(await socket.messages.next()).toMatchObject({ id: "1" });
});

it("extensions for HTTP responses are not sent over a socket", async () => {
  const { GraphQLError } = await import("graphql");
  await using curfew = await startCurfew({
    typeDefs: `type Query { teapot: Int }`,
    resolvers: {
      Query: {
        teapot: () => {
          const http = { status: 418 };
          throw new GraphQLError("No coffee.", { extensions: { code: "TEAPOT", http } });
        },
      },
    },
  });
  const { accessToken: token } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  socket.subscribe("1", "{ teapot }");
  const { payload } = await socket.messages.next();
  expect(payload.errors[0].extensions).toEqual({ code: "TEAPOT" });
  expect((await ask(curfew.url, "{ teapot }")).status).toBe(418);
});

it("a login over a socket returns tokens and does not change the socket's session", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const email = newEmail();
  await register(curfew.url, email);
  const me = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, me.accessToken);
  socket.subscribe(
    "1",
    `mutation ($email: String!, $password: String!) {
      login(email: $email, password: $password) { ... on SignedIn { viewer { session { id } } } }
    }`,
    { email, password },
  );
  const { payload } = await socket.messages.next();
  const other = payload.data.login.viewer.session.id;
  expect(other).not.toBe(me.sessionId);
  await socket.messages.next();
  socket.subscribe("2", "{ own viewer { session { id current } } }");
  expect((await socket.messages.next()).payload.data).toEqual({
    own: me.sessionId,
    viewer: { session: { id: me.sessionId, current: true } },
  });
  expect(await curfew.sessions.end(other, "LOGOUT")).toBe(1);
  socket.send({ type: "ping" });
  await socket.messages.next();
  expect(await socket.messages.next()).toEqual({ type: "pong" });
});
