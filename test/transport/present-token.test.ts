/** Deadlines of connections: tokens presented on them, and renewals from their network. */
import { describe, expect, it } from "vitest";
import { sessionTopic } from "../../src/session/messages.ts";
import type { Session } from "../../src/session/session.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { testApp } from "../helpers/app.ts";
import { fakeClock, secrets, startCurfew } from "../helpers/curfew.ts";
import { ask, register, renew, type SignedIn } from "../helpers/http.ts";
import {
  breakable,
  intercept,
  withoutClose,
  memoryStore,
  memoryPubSub,
  memoryUsers,
} from "../helpers/backends.ts";
import { openStream } from "../helpers/sse.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const minute = 60_000;
/** How late a deadline may be met (ms). */
const resolution = 250;
const lifetime = 10 * minute;
const sessionExpired = { code: 4403, reason: "SESSION_EXPIRED" };

const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
const home = from("192.0.2.1");
const neighbour = from("192.0.2.77");
const elsewhere = from("198.51.100.1");

/** No recheck interferes: the clock does not advance that far. */
async function start(options: CurfewOptions = {}) {
  const clock = fakeClock();
  const hours = { recheckInterval: 60 * minute, outageGrace: 60 * minute };
  const curfew = await startCurfew({
    accessTokenTtl: lifetime,
    trustProxy: 1,
    ...hours,
    ...options,
    clock,
  });
  return Object.assign(curfew, { clock });
}

async function renewed(url: string, token: string, place: typeof home): Promise<SignedIn> {
  const next = await renew(url, token, place.headers);
  if (typeof next === "string") throw new Error(next);
  return next;
}

/** Resolves to the payload of the pong. */
async function present(socket: TestSocket, payload: unknown): Promise<any> {
  socket.send({ type: "ping", payload });
  const message = await socket.messages.next();
  expect(message.type).toBe("pong");
  return message.payload;
}

describe("a renewal", () => {
  it.each([
    ["from a socket's network keeps the socket open", neighbour, {}, true],
    ["from another network does not keep a socket open", elsewhere, {}, false],
    ["from an invalid address does not keep a socket open", from("nonsense"), {}, false],
    [
      "from a socket's network does not keep it open if renewalExtends is none",
      home,
      { renewalExtends: "none" },
      false,
    ],
  ] as const)("%s", async (_, place, options, isKept) => {
    await using curfew = await start(options);
    const { accessToken, renewalToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    curfew.clock.advance(9 * minute);
    await renewed(curfew.url, renewalToken, place);
    curfew.clock.advance(minute + resolution);
    if (isKept) {
      socket.subscribe("1", "{ viewer { session { id } } }");
      expect(await socket.messages.next()).toMatchObject({ type: "next" });
      curfew.clock.advance(9 * minute);
    }
    expect(await socket.closed).toEqual(sessionExpired);
  });

  it("keeps the sockets of its network open, and no others, although its message is lost", async () => {
    const [store, users] = [memoryStore(), memoryUsers()];
    await using here = await start({ backends: { store, users } });
    await using there = await startCurfew({
      accessTokenTtl: lifetime,
      trustProxy: 1,
      clock: here.clock,
      backends: { store: withoutClose(store), users: withoutClose(users) },
    });
    const { accessToken, renewalToken } = await register(here.url);
    await using sameNetwork = await connect(here.socketUrl, accessToken, home);
    await using otherNetwork = await connect(here.socketUrl, accessToken, elsewhere);
    here.clock.advance(9 * minute);
    await renewed(there.url, renewalToken, home);
    here.clock.advance(minute + resolution);
    expect(await otherNetwork.closed).toEqual(sessionExpired);
    sameNetwork.subscribe("1", "{ viewer { session { id } } }");
    expect(await sameNetwork.messages.next()).toMatchObject({ type: "next" });
    here.clock.advance(9 * minute);
    expect(await sameNetwork.closed).toEqual(sessionExpired);
  });

  it("on a socket in another network moves the deadline of that socket only", async () => {
    await using curfew = await start();
    const { accessToken, renewalToken } = await register(curfew.url);
    await using mobile = await connect(curfew.socketUrl, accessToken, elsewhere);
    await using other = await connect(curfew.socketUrl, accessToken, home);
    curfew.clock.advance(9 * minute);
    mobile.subscribe("1", "mutation ($t: String!) { renew(renewalToken: $t) { __typename } }", {
      t: renewalToken,
    });
    expect((await mobile.messages.next()).payload.data.renew).toEqual({ __typename: "SignedIn" });
    expect(await mobile.messages.next()).toMatchObject({ type: "complete" });
    curfew.clock.advance(minute + resolution);
    expect(await other.closed).toEqual(sessionExpired);
    mobile.subscribe("2", "{ viewer { session { id } } }");
    expect(await mobile.messages.next()).toMatchObject({ type: "next" });
  });
});

describe("a ping with a newer token", () => {
  it.each(["", "Bearer "])("as %j and the token moves the socket's deadline", async (scheme) => {
    await using curfew = await start();
    const { accessToken, renewalToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    curfew.clock.advance(9 * minute);
    const next = await renewed(curfew.url, renewalToken, elsewhere);
    expect(await present(socket, { token: scheme + next.accessToken })).toEqual({
      accessTokenExpiresAt: next.accessTokenExpiresAt,
    });
    curfew.clock.advance(9 * minute);
    socket.subscribe("1", "{ viewer { session { id } } }");
    expect(await socket.messages.next()).toMatchObject({ type: "next" });
    expect(await socket.messages.next()).toMatchObject({ type: "complete" });
    // The older token does not move the deadline back.
    expect(await present(socket, { token: accessToken })).toEqual({
      accessTokenExpiresAt: next.accessTokenExpiresAt,
    });
    curfew.clock.advance(minute + resolution);
    expect(await socket.closed).toEqual(sessionExpired);
  });

  it.each([
    ["no token", {}],
    ["a token that is not a string", { token: { token: 1 } }],
    ["an invalid token", { token: "curfew_access_x", accessTokenExpiresAt: "never" }],
    ["nothing", undefined],
  ])("is ignored with %s, and nothing is echoed", async (_, payload) => {
    await using curfew = await start();
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    expect(await present(socket, payload)).toBeUndefined();
  });

  it("is ignored with a renewal token or with a token of other secrets", async () => {
    await using curfew = await start();
    await using foreign = await startCurfew({ secrets: [`${secrets[0]} of another server`] });
    const { accessToken, renewalToken } = await register(curfew.url);
    const { accessToken: unknown } = await register(foreign.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    for (const token of [renewalToken, unknown])
      expect(await present(socket, { token })).toBeUndefined();
  });

  it("is ignored before the acknowledgement", async () => {
    await using curfew = await start();
    const { accessToken } = await register(curfew.url);
    await using socket = await new TestSocket(curfew.socketUrl, home).opened();
    expect(await present(socket, { token: accessToken })).toBeUndefined();
    socket.init({ token: accessToken });
    expect(await socket.messages.next()).toMatchObject({ type: "connection_ack" });
  });

  it.each([
    ["fresh", 0],
    ["expired", 5 * minute],
  ])("of another session, %s, closes the socket with a final code", async (_, wait) => {
    await using curfew = await start();
    const [other, own] = [await register(curfew.url), await register(curfew.url)];
    curfew.clock.advance(6 * minute);
    const next = await renewed(curfew.url, own.renewalToken, home);
    await using socket = await connect(curfew.socketUrl, next.accessToken, home);
    curfew.clock.advance(wait);
    socket.send({ type: "ping", payload: { token: other.accessToken } });
    expect(await socket.closed).toEqual({ code: 4401, reason: "UNAUTHENTICATED" });
    expect(curfew.log).toContainEqual(expect.objectContaining({ reason: "OTHER_SESSION" }));
  });

  it("that was superseded since changes nothing", async () => {
    await using curfew = await start();
    const { accessToken, accessTokenExpiresAt, renewalToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    curfew.clock.advance(minute);
    const second = await renewed(curfew.url, renewalToken, elsewhere);
    await renewed(curfew.url, second.renewalToken, elsewhere);
    expect(await present(socket, { token: second.accessToken })).toEqual({ accessTokenExpiresAt });
    curfew.clock.advance(9 * minute + resolution);
    expect(await socket.closed).toEqual(sessionExpired);
  });

  it("closes the socket if the session has ended", async () => {
    const store = memoryStore();
    await using curfew = await start({ backends: { store } });
    const { accessToken, renewalToken, sessionId } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    const next = await renewed(curfew.url, renewalToken, elsewhere);
    await store.end(sessionId, curfew.clock());
    socket.send({ type: "ping", payload: { token: next.accessToken } });
    expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  });

  it("changes nothing while the store is unavailable, and the socket stays open", async () => {
    const store = breakable(memoryStore());
    await using curfew = await start({ backends: { store: store.part } });
    const { accessToken, accessTokenExpiresAt, renewalToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    const next = await renewed(curfew.url, renewalToken, elsewhere);
    store.goDown();
    expect(await present(socket, { token: next.accessToken })).toEqual({ accessTokenExpiresAt });
    store.comeBack();
    expect(await present(socket, { token: next.accessToken })).toEqual({
      accessTokenExpiresAt: next.accessTokenExpiresAt,
    });
  });

  it("in a loop causes few reads of the store, and none if the token is known", async () => {
    let reads = 0;
    const store = intercept(memoryStore(), {
      read:
        (real) =>
        (...args) => {
          reads += 1;
          return real(...args);
        },
    });
    await using curfew = await start({ backends: { store } });
    const { accessToken, renewalToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    const second = await renewed(curfew.url, renewalToken, elsewhere);
    await renewed(curfew.url, second.renewalToken, elsewhere);
    reads = 0;
    for (let i = 0; i < 50; i += 1) await present(socket, { token: accessToken });
    expect(reads).toBe(0);
    for (let i = 0; i < 50; i += 1) await present(socket, { token: second.accessToken });
    expect(reads).toBe(10);
  });
});

describe("when earlier tokens are no longer accepted", () => {
  /** As after a password change. */
  async function startOver(options: CurfewOptions = {}) {
    const [store, pubsub] = [memoryStore(), memoryPubSub()];
    const curfew = await start({ ...options, backends: { store, pubsub } });
    const raise = async ({ sessionId }: Pick<SignedIn, "sessionId">, minGeneration: number) => {
      const session = (await store.read(sessionId, curfew.clock())) as Session;
      await pubsub.publish(sessionTopic(sessionId), {
        type: "renewed",
        fingerprint: sessionId,
        session: { ...session, minGeneration },
      });
    };
    return Object.assign(curfew, { raise });
  }

  it("a socket without a newer token closes, and one with a newer token stays open", async () => {
    await using curfew = await startOver();
    const owner = await register(curfew.url);
    await using before = await connect(curfew.socketUrl, owner.accessToken, home);
    await using shown = await connect(curfew.socketUrl, owner.accessToken, home);
    const next = await renewed(curfew.url, owner.renewalToken, home);
    await using after = await connect(curfew.socketUrl, next.accessToken, home);
    await present(shown, { token: next.accessToken });
    await curfew.raise(owner, 1);
    expect(await before.closed).toEqual(sessionExpired);
    for (const socket of [shown, after]) {
      socket.subscribe("1", "{ viewer { session { id } } }");
      expect(await socket.messages.next()).toMatchObject({ type: "next" });
    }
  });

  it("no event is delivered, no protected field starts, and the reply in flight is sent", async () => {
    const app = testApp();
    await using curfew = await startOver(app.schema);
    const owner = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, owner.accessToken, home);
    socket.subscribe("said", "subscription { said }");
    expect((await socket.messages.next()).payload.data).toEqual({ said: "ready" });
    socket.subscribe("1", `mutation { sayLater(text: "begun") say(text: "not begun") }`);
    await app.started;
    await curfew.raise(owner, 1);
    await curfew.events.publish("said", "not delivered");
    socket.subscribe("2", `mutation { say(text: "not taken") }`);
    await until(() => curfew.log.length > 0);
    app.release();
    const answer = await socket.messages.next();
    expect(answer).toMatchObject({ id: "1", type: "next" });
    expect(answer.payload.errors[0].extensions).toEqual({
      code: "UNAUTHENTICATED",
      reason: "SUPERSEDED",
      begun: true,
    });
    expect(await socket.messages.next()).toMatchObject({ id: "1", type: "complete" });
    expect(await socket.closed).toEqual(sessionExpired);
    expect(socket.messages.pending).toEqual([]);
    expect(app.calls).toEqual(["begun"]);
  });

  it.each([
    ["at the next recheck", 50, false],
    ["at an operation's check", 60 * minute, true],
  ])("a socket closes %s although the message was lost", async (_, recheckInterval, operates) => {
    let minGeneration = 0;
    const store = intercept(memoryStore(), {
      read:
        (real) =>
        async (...args) => {
          const session = await real(...args);
          return session && { ...session, minGeneration };
        },
      readMany:
        (real) =>
        async (...args) =>
          (await real(...args)).map((reading) =>
            reading.state === "live"
              ? { ...reading, standing: { ...reading.standing, minGeneration } }
              : reading,
          ),
    });
    const app = testApp();
    await using curfew = await start({ ...app.schema, recheckInterval, backends: { store } });
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken, home);
    minGeneration = 1;
    if (operates) socket.subscribe("1", `mutation { say(text: "x") }`);
    else curfew.clock.advance(51);
    expect(await socket.closed).toEqual(sessionExpired);
    expect(socket.messages.pending).toEqual([]);
    expect(app.calls).toEqual([]);
  });

  it("a stream over HTTP closes, and a slow request starts no protected field", async () => {
    const app = testApp();
    await using curfew = await startOver(app.schema);
    const owner = await register(curfew.url);
    const { accessToken: token } = owner;
    await using stream = await openStream(curfew.url, "subscription { said }", { token });
    expect((await stream.events.next()).data).toEqual({ data: { said: "ready" } });
    const query = `mutation { sayLater(text: "begun") say(text: "not begun") }`;
    const answer = ask(curfew.url, query, { token });
    await app.started;
    await until(() => curfew.connections.size === 2, "the request to count as slow");
    await curfew.raise(owner, 1);
    await stream.ended;
    app.release();
    const { errors } = await answer;
    expect(errors?.[0]?.extensions).toEqual({
      code: "UNAUTHENTICATED",
      reason: "SUPERSEDED",
      begun: true,
    });
    expect(app.calls).toEqual(["begun"]);
  });
});

it("a slow request is answered although its token expires during it", async () => {
  const app = testApp();
  await using curfew = await start(app.schema);
  const { accessToken: token } = await register(curfew.url);
  const answer = ask(curfew.url, "{ slow }", { token });
  await app.started;
  await until(() => curfew.connections.size === 1, "the request to count as slow");
  await using socket = await connect(curfew.socketUrl, token, home);
  curfew.clock.advance(lifetime + resolution);
  expect(await socket.closed).toEqual(sessionExpired);
  app.release();
  expect((await answer).data).toEqual({ slow: "done" });
});
