/** Subscriptions over server-sent events: they end with their session, like sockets. */
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { countSubscriptions, memoryPubSub } from "../helpers/backends.ts";
import { openStream, type StreamEvent, type TestStream } from "../helpers/sse.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const complete = { event: "complete", data: undefined };

function said(text: string): StreamEvent {
  return { event: "next", data: { data: { said: text } } };
}

/** Expects the stream's last event and its end. */
async function expectEnd(stream: TestStream, code: string, details: object = {}) {
  const { event, data } = await stream.events.next();
  expect(event).toBe("next");
  expect(data.data ?? null).toBeNull();
  expect(data.errors).toHaveLength(1);
  expect(data.errors[0].extensions).toEqual({ code, ...details });
  expect(await stream.events.next()).toEqual(complete);
  await stream.ended;
}

it.each(["POST", "GET"] as const)("a stream by %s delivers events until logout", async (method) => {
  const pubsub = countSubscriptions(memoryPubSub());
  await using curfew = await startCurfew({
    ...testApp().schema,
    backends: { pubsub: pubsub.part },
  });
  const email = newEmail();
  const { accessToken: token } = await register(curfew.url, email);
  const other = await login(curfew.url, email);
  const query = "subscription { said }";
  await using stream = await openStream(curfew.url, query, { token, method });
  await using otherStream = await openStream(curfew.url, query, { token: other.accessToken });
  expect(stream.response.status).toBe(200);
  for (const one of [stream, otherStream]) expect(await one.events.next()).toEqual(said("ready"));
  await curfew.events.publish("said", "hello");
  expect(await stream.events.next()).toEqual(said("hello"));

  await logout(curfew.url, token);
  await curfew.events.publish("said", "after the end");

  await expectEnd(stream, "UNAUTHENTICATED", { reason: "ENDED", endReason: "LOGOUT" });
  expect(await otherStream.events.next()).toEqual(said("hello"));
  expect(await otherStream.events.next()).toEqual(said("after the end"));
  otherStream.abort();
  await until(() => curfew.connections.size === 0 && pubsub.subscriptions === 0);
});

it("a stream ends with its session although its source never yields again", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken: token } = await register(curfew.url);
  await using stream = await openStream(curfew.url, "subscription { blocked }", { token });
  expect((await stream.events.next()).data).toEqual({ data: { blocked: 1 } });
  await logout(curfew.url, token);
  await expectEnd(stream, "UNAUTHENTICATED", { reason: "ENDED", endReason: "LOGOUT" });
});

it("a stream ends when its token expires, and continues if its session is renewed", async () => {
  const clock = fakeClock();
  const hours = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };
  await using curfew = await startCurfew({
    ...testApp().schema,
    ...hours,
    clock,
    accessTokenTtl: 60_000,
  });
  const { accessToken: token, renewalToken } = await register(curfew.url);
  await using stream = await openStream(curfew.url, "subscription { said }", { token });
  clock.advance(30_000);
  await renew(curfew.url, renewalToken);
  clock.advance(40_000);
  await curfew.events.publish("said", "hello");
  expect(await stream.events.next()).toEqual(said("ready"));
  expect(await stream.events.next()).toEqual(said("hello"));
  clock.advance(20_250);
  await expectEnd(stream, "UNAUTHENTICATED", { reason: "EXPIRED" });
});

it("a client that leaves its stream leaves nothing behind", async () => {
  const pubsub = countSubscriptions(memoryPubSub());
  await using curfew = await startCurfew({
    ...testApp().schema,
    backends: { pubsub: pubsub.part },
  });
  const { accessToken: token } = await register(curfew.url);
  for (const query of ["subscription { said }", "subscription { sessionEvents { type } }"]) {
    await using stream = await openStream(curfew.url, query, { token });
    expect(curfew.connections.size).toBe(1);
    stream.abort();
    await until(() => curfew.connections.size === 0 && pubsub.subscriptions === 0);
  }
});

it("a stream with a superseded token is refused", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken: token, renewalToken } = await register(curfew.url);
  await renew(curfew.url, renewalToken);
  await using stream = await openStream(curfew.url, "subscription { said }", { token });
  await expectEnd(stream, "UNAUTHENTICATED", { reason: "SUPERSEDED" });
  expect(curfew.connections.size).toBe(0);
});

it("a session's streams and sockets share one limit; a stream over it is refused and logged", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, maxSocketsPerSession: 2 });
  const { accessToken: token, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, token);
  expect(socket.ack.sessionId).toBe(sessionId);
  await using first = await openStream(curfew.url, "subscription { said }", { token });
  expect(await first.events.next()).toEqual(said("ready"));
  await using second = await openStream(curfew.url, "subscription { said }", { token });
  await expectEnd(second, "TOO_MANY_CONNECTIONS");
  const line = { transport: "http", reason: "TOO_MANY_CONNECTIONS", fingerprint: sessionId };
  expect(curfew.log.filter(({ event }) => event === "refused")).toEqual([
    expect.objectContaining(line),
  ]);
});

it("a subscription without @authenticated is open to anonymous clients", async () => {
  await using curfew = await startCurfew(testApp().schema);
  await using stream = await openStream(curfew.url, "subscription { heard }");
  expect((await stream.events.next()).data).toEqual({ data: { heard: "ready" } });
  await curfew.events.publish("said", "hello");
  expect((await stream.events.next()).data).toEqual({ data: { heard: "hello" } });
  await using guarded = await openStream(curfew.url, "subscription { said }");
  await expectEnd(guarded, "UNAUTHENTICATED", { reason: "MISSING" });
});

it("an unexpected error of an app's subscription is masked and logged once", async () => {
  await using curfew = await startCurfew(testApp().schema);
  await using stream = await openStream(curfew.url, "subscription { broken }");
  await expectEnd(stream, "INTERNAL_SERVER_ERROR");
  expect(curfew.log.filter((line) => JSON.stringify(line).includes("a secret"))).toHaveLength(1);
});

it("a slow request ends with its session", async () => {
  const app = testApp();
  await using curfew = await startCurfew(app.schema);
  const { accessToken: token } = await register(curfew.url);
  const answer = ask(curfew.url, "{ slow }", { token });
  await app.started;
  await until(() => curfew.connections.size === 1, "the request to count as slow");
  await logout(curfew.url, token);
  const { errors, data } = await answer;
  expect(data ?? null).toBeNull();
  const extensions = { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "LOGOUT", begun: true };
  expect(errors?.[0]?.extensions).toEqual(extensions);
  await until(() => curfew.connections.size === 0);
});
