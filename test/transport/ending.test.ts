/** Sockets and their operations when their session ends. */
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { intercept, memoryStore, memoryPubSub, withHandshakeHooks } from "../helpers/backends.ts";
import { RawSocket } from "../helpers/raw-socket.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

it("logout closes all sockets of the session with their subscriptions, and no other session's", async () => {
  const app = testApp();
  await using curfew = await startCurfew(app.schema);
  const email = newEmail();
  const mine = await register(curfew.url, email);
  const tablet = await login(curfew.url, email);
  const otherUser = await register(curfew.url);
  await using one = await connect(curfew.socketUrl, mine.accessToken);
  await using two = await connect(curfew.socketUrl, mine.accessToken);
  await using other = await connect(curfew.socketUrl, tablet.accessToken);
  await using otherUserSocket = await connect(curfew.socketUrl, otherUser.accessToken);
  for (const socket of [one, two, other, otherUserSocket]) {
    socket.subscribe("1", "subscription { said }");
    expect(await socket.messages.next()).toMatchObject({ payload: { data: { said: "ready" } } });
  }

  await logout(curfew.url, mine.accessToken);
  await curfew.events.publish("said", "after the end");

  expect(await one.closed).toEqual(sessionEnded);
  expect(await two.closed).toEqual(sessionEnded);
  for (const socket of [other, otherUserSocket])
    expect((await socket.messages.next()).payload.data).toEqual({ said: "after the end" });
  for (const socket of [one, two])
    expect(JSON.stringify(socket.messages.pending)).not.toContain("after the end");
  await until(() => curfew.connections.size === 2);
});

it.each([
  ["an access token", "accessToken"],
  ["a renewal token", "renewalToken"],
] as const)("logout by %s of an earlier generation closes the sockets too", async (_, kind) => {
  await using curfew = await startCurfew();
  const first = await register(curfew.url);
  const second = await renew(curfew.url, first.renewalToken);
  if (typeof second === "string") throw new Error(second);
  await using socket = await connect(curfew.socketUrl, second.accessToken);
  expect(await logout(curfew.url, first[kind])).toBe(1);
  expect(await socket.closed).toEqual(sessionEnded);
});

it.each([
  ["logout", "mutation { logout { endedSessions } }", "logout"],
  ["endSession", "mutation ($id: ID!) { endSession(id: $id) { endedSessions } }", "endSession"],
])("%s over the socket itself is answered before the socket closes", async (_, query, field) => {
  await using curfew = await startCurfew();
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", query, { id: sessionId });
  expect(await socket.closed).toEqual(sessionEnded);
  const data = { [field]: { endedSessions: 1 } };
  expect(await socket.messages.next()).toMatchObject({ id: "1", type: "next", payload: { data } });
});

it("a mutation in flight when its session ends gets no reply", async () => {
  const app = testApp();
  await using curfew = await startCurfew(app.schema);
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", `mutation { sayLater(text: "secret") }`);
  await app.started;
  await curfew.sessions.end(sessionId, "LOGOUT");
  app.release();
  expect(await socket.closed).toEqual(sessionEnded);
  expect(JSON.stringify(socket.messages.pending)).not.toContain("secret");
});

it("while a logout on a socket waits for its reply, other operations of the socket get no reply and no event", async () => {
  const app = testApp();
  const publishing = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const pubsub = intercept(memoryPubSub(), {
    publish: (real) => async (topic, message) => {
      if ((message as { type?: unknown }).type === "ended") {
        publishing.resolve();
        await released.promise;
      }
      return real(topic, message);
    },
  });
  await using curfew = await startCurfew({ ...app.schema, backends: { pubsub } });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("events", "subscription { said }");
  expect((await socket.messages.next()).payload.data).toEqual({ said: "ready" });
  socket.subscribe("1", `mutation { sayLater(text: "secret") }`);
  await app.started;
  socket.subscribe("2", "mutation { logout { endedSessions } }");
  await publishing.promise;
  await curfew.events.publish("said", "secret");
  app.release();
  await until(() => app.calls.length === 1);
  released.resolve();
  expect(await socket.closed).toEqual(sessionEnded);
  const messages = socket.messages.pending;
  expect(messages).toContainEqual({
    id: "2",
    type: "next",
    payload: { data: { logout: { endedSessions: 1 } } },
  });
  expect(JSON.stringify(messages)).not.toContain("secret");
});

it("a subscription ends with its session although its source never yields again", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "subscription { blocked }");
  expect((await socket.messages.next()).payload.data).toEqual({ blocked: 1 });
  await curfew.sessions.end(sessionId, "LOGOUT");
  expect(await socket.closed).toEqual(sessionEnded);
  await until(() => curfew.connections.size === 0);
});

it("a client that ignores the close frame is disconnected, and its later operations are not executed", async () => {
  const app = testApp();
  await using curfew = await startCurfew(app.schema);
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await RawSocket.open(curfew.socketUrl);
  const say = (id: string) =>
    socket.send({ id, type: "subscribe", payload: { query: `mutation { say(text: "${id}") }` } });
  socket.send({ type: "connection_init", payload: { token: accessToken } });
  expect(await socket.frames.next()).toContain("connection_ack");
  say("before");
  expect(await socket.frames.next()).toContain(`"say":1`);
  await socket.frames.next();

  await curfew.sessions.end(sessionId, "LOGOUT");
  expect(await socket.frames.next()).toBe("close 4401 SESSION_ENDED");
  say("after");
  await socket.disconnected;
  expect(app.calls).toEqual(["before"]);
  expect(socket.frames.pending).toEqual([]);
  await until(() => curfew.connections.size === 0);
});

it("mutations that race the end run before it or not at all, and none is answered after it", async () => {
  const app = testApp();
  await using curfew = await startCurfew(app.schema);
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  let endedAt = Infinity;
  for (let i = 0; i < 50; i += 1) {
    socket.subscribe(`${i}`, `mutation { say(text: "${i}") }`);
    if (i === 25)
      void curfew.sessions.end(sessionId, "LOGOUT").then(() => (endedAt = app.calls.length));
  }
  expect(await socket.closed).toEqual(sessionEnded);
  await until(() => endedAt < Infinity);
  expect(app.calls).toHaveLength(endedAt);
});

it("a mutation does not run if its session ends between its check and its start", async () => {
  const app = testApp();
  const { plan, ...parts } = withHandshakeHooks({ store: memoryStore(), pubsub: memoryPubSub() });
  await using curfew = await startCurfew({ ...app.schema, backends: parts });
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  plan("when read", sessionId, () => curfew.sessions.end(sessionId, "LOGOUT"));
  socket.subscribe("1", `mutation { say(text: "late") }`);
  expect(await socket.closed).toEqual(sessionEnded);
  await until(() => curfew.connections.size === 0);
  expect(app.calls).toEqual([]);
});

it("a socket that is closed by its client leaves nothing behind", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken } = await register(curfew.url);
  for (const leave of ["close", "terminate"] as const) {
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.subscribe("1", "subscription { blocked }");
    await socket.messages.next();
    expect(curfew.connections.size).toBe(1);
    socket.ws[leave]();
    await until(() => curfew.connections.size === 0);
  }
});
