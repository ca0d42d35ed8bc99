/** Authentication of sockets, and the close codes of refused ones. */
import { describe, expect, it } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { mintToken, readToken } from "../../src/session/token.ts";
import { fakeClock, secrets, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { breakable, intercept, memoryStore, memoryPubSub } from "../helpers/backends.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { StoreUnavailable } from "../../src/session/store.ts";

const unauthenticated = { code: 4401, reason: "UNAUTHENTICATED" };
const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
const sessionExpired = { code: 4403, reason: "SESSION_EXPIRED" };
const tryAgainLater = { code: 1013, reason: "TRY_AGAIN_LATER" };

/** Resolves to the close of a socket opened with this payload. */
async function refusal(curfew: TestCurfew, payload?: unknown) {
  await using socket = await new TestSocket(curfew.socketUrl).opened();
  socket.init(payload);
  return await socket.closed;
}

/** Resolves to the session of a socket that is admitted and then closed. */
async function welcome(curfew: TestCurfew, token: string): Promise<unknown> {
  await using socket = await connect(curfew.socketUrl, token);
  return socket.ack.sessionId;
}

function refusals({ log }: TestCurfew) {
  return log.filter(({ event }) => event === "refused");
}

/** One log line without secrets. */
function expectOneLine(curfew: TestCurfew, line: object, ...tokens: string[]) {
  expect(refusals(curfew)).toEqual([
    expect.objectContaining({ transport: "socket", address: "127.0.0.1", ...line }),
  ]);
  for (const token of tokens) expect(JSON.stringify(curfew.log)).not.toContain(token);
}

describe("a socket is refused with a reason", () => {
  it.each([
    ["no payload", undefined],
    ["an empty payload", {}],
    ["an empty token", { token: "" }],
    ["a token that is no text", { token: 7, headers: "x" }],
  ])("with %s", async (_, payload) => {
    await using curfew = await startCurfew();
    expect(await refusal(curfew, payload)).toEqual(unauthenticated);
    expectOneLine(curfew, { reason: "MISSING" });
  });

  it("with a malformed token", async () => {
    await using curfew = await startCurfew();
    expect(await refusal(curfew, { token: "curfew_access_abc" })).toEqual(unauthenticated);
    expectOneLine(curfew, { reason: "MALFORMED" }, "curfew_access_abc");
  });

  it("with a token of another server, even for a session of this one", async () => {
    await using curfew = await startCurfew();
    const { accessToken, sessionId } = await register(curfew.url);
    const reading = readToken(new KeyRing(secrets), accessToken);
    if (!reading.ok) throw new Error("It is a good token.");
    const forged = mintToken(new KeyRing(["x".repeat(32)]), reading.claims);
    expect(await refusal(curfew, { token: forged })).toEqual(unauthenticated);
    expectOneLine(curfew, { reason: "BAD_SIGNATURE" }, forged);
    expect(refusals(curfew)[0]).not.toHaveProperty("fingerprint");
    expect(await welcome(curfew, accessToken)).toBe(sessionId);
  });

  it("with a renewal token", async () => {
    await using curfew = await startCurfew();
    const { renewalToken, sessionId } = await register(curfew.url);
    expect(await refusal(curfew, { token: renewalToken })).toEqual(unauthenticated);
    expectOneLine(curfew, { reason: "WRONG_KIND", fingerprint: sessionId }, renewalToken);
  });

  it("with an expired token, retryably", async () => {
    const clock = fakeClock();
    await using curfew = await startCurfew({ clock, accessTokenTtl: 60_000 });
    const { accessToken, sessionId } = await register(curfew.url);
    clock.advance(60_000);
    expect(await refusal(curfew, { token: accessToken })).toEqual(sessionExpired);
    expectOneLine(curfew, { reason: "EXPIRED", fingerprint: sessionId }, accessToken);
  });

  it("with a superseded token, retryably", async () => {
    await using curfew = await startCurfew();
    const { accessToken, renewalToken, sessionId } = await register(curfew.url);
    await renew(curfew.url, renewalToken);
    expect(await refusal(curfew, { token: accessToken })).toEqual(sessionExpired);
    const line = { reason: "SUPERSEDED", fingerprint: sessionId, generation: 0 };
    expectOneLine(curfew, line, accessToken);
  });

  it("when the session has ended", async () => {
    await using curfew = await startCurfew();
    const { accessToken, sessionId } = await register(curfew.url);
    await logout(curfew.url, accessToken);
    expect(await refusal(curfew, { token: accessToken })).toEqual(sessionEnded);
    expectOneLine(curfew, { reason: "ENDED", fingerprint: sessionId }, accessToken);
  });

  it("retryably, when the store is unavailable", async () => {
    const store = breakable(memoryStore());
    await using curfew = await startCurfew({ backends: { store: store.part } });
    const { accessToken, sessionId } = await register(curfew.url);
    store.goDown();
    expect(await refusal(curfew, { token: accessToken })).toEqual(tryAgainLater);
    expectOneLine(curfew, { reason: "STORE_UNAVAILABLE", fingerprint: sessionId }, accessToken);
    store.comeBack();
    expect(await welcome(curfew, accessToken)).toBe(sessionId);
  });

  it("retryably, when the session's topic cannot be subscribed to", async () => {
    const pubsub = intercept(memoryPubSub(), {
      subscribe: () => () => Promise.reject(new StoreUnavailable("No topic.")),
    });
    await using curfew = await startCurfew({ backends: { pubsub } });
    const { accessToken } = await register(curfew.url);
    expect(await refusal(curfew, { token: accessToken })).toEqual(tryAgainLater);
    expectOneLine(curfew, { reason: "STORE_UNAVAILABLE" }, accessToken);
    expect(curfew.connections.size).toBe(0);
  });

  it("retryably, when the session has the maximum number of sockets, until one closes", async () => {
    await using curfew = await startCurfew({ maxSocketsPerSession: 2 });
    const email = newEmail();
    const { accessToken, sessionId } = await register(curfew.url, email);
    await using first = await connect(curfew.socketUrl, accessToken);
    await using second = await connect(curfew.socketUrl, accessToken);
    expect(second.ack).toEqual(first.ack);
    const tooMany = { code: 1013, reason: "TOO_MANY_CONNECTIONS" };
    expect(await refusal(curfew, { token: accessToken })).toEqual(tooMany);
    expectOneLine(curfew, { reason: "TOO_MANY_CONNECTIONS" }, accessToken);

    const other = await login(curfew.url, email);
    expect(await welcome(curfew, other.accessToken)).toBe(other.sessionId);
    first.ws.close();
    await first.closed;
    expect(await welcome(curfew, accessToken)).toBe(sessionId);
  });
});

describe("an access token is taken from", () => {
  it.each([
    ["token", (token: string) => ({ token })],
    ["token, with Bearer", (token: string) => ({ token: `Bearer ${token}` })],
    ["authorization", (token: string) => ({ authorization: token })],
    ["authorization, with Bearer", (token: string) => ({ authorization: `Bearer ${token}` })],
    ["Authorization, with bearer", (token: string) => ({ Authorization: `bearer ${token}` })],
    ["headers.authorization", (token: string) => ({ headers: { authorization: token } })],
    ["headers.Authorization", (token: string) => ({ headers: { Authorization: token } })],
  ])("the payload's %s", async (_, payloadOf) => {
    await using curfew = await startCurfew();
    const { accessToken, accessTokenExpiresAt, sessionId } = await register(curfew.url);
    await using socket = await new TestSocket(curfew.socketUrl).opened();
    socket.init(payloadOf(accessToken));
    expect(await socket.messages.next()).toEqual({
      type: "connection_ack",
      payload: { accessTokenExpiresAt, sessionId },
    });
  });

  it("no other place: not the URL, not the upgrade's headers", async () => {
    await using curfew = await startCurfew();
    const { accessToken } = await register(curfew.url);
    const headers = { authorization: `Bearer ${accessToken}` };
    const url = `${curfew.socketUrl}?token=${accessToken}&authorization=${accessToken}`;
    await using socket = await new TestSocket(url, { headers }).opened();
    socket.init();
    expect(await socket.closed).toEqual(unauthenticated);
    expectOneLine(curfew, { reason: "MISSING" }, accessToken);
  });
});
