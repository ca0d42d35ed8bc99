/** Clients that hold a token of an ended session learn why it ended, on every transport, and no other client does. */
import { createClient } from "graphql-ws";
import { describe, expect, it } from "vitest";
import { createSocketClient } from "../../src/client/graphql-ws.ts";
import { createSession, type SessionState } from "../../src/client/index.ts";
import type { EndReason } from "../../src/protocol/end-reasons.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { startOwnServer } from "../integrations/own-server.ts";
import { testApp } from "../helpers/app.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import {
  ask,
  askData,
  login,
  logout,
  newEmail,
  password,
  register,
  renew,
  type SignedIn,
} from "../helpers/http.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

const clock = fakeClock();
const grace = 10_000;
const options = { clock, renewalGrace: grace };
type Server = Pick<Awaited<ReturnType<typeof startCurfew>>, "url" | "admin">;

interface Case {
  readonly reason: EndReason;
  readonly options?: { readonly maxSessionsPerUser: number };
  /** Ends the session of the device. `other` signs in on another device of the same user. */
  readonly end: (
    server: Server,
    device: SignedIn,
    other: () => Promise<SignedIn>,
  ) => Promise<unknown>;
}

const cases: readonly Case[] = [
  { reason: "LOGOUT", end: ({ url }, device) => logout(url, device.accessToken) },
  {
    reason: "ENDED_BY_USER",
    end: async ({ url }, { sessionId }, other) => {
      const { accessToken: token } = await other();
      const query = "mutation ($id: ID!) { endSession(id: $id) { endedSessions } }";
      return askData(url, query, { token, variables: { id: sessionId } });
    },
  },
  {
    reason: "PASSWORD_CHANGED",
    end: async ({ url }, _device, other) => {
      const { accessToken: token } = await other();
      const query = `mutation ($old: String!, $next: String!) {
        changePassword(currentPassword: $old, newPassword: $next) { __typename }
      }`;
      const variables = { old: password, next: `another ${password}` };
      return askData(url, query, { token, variables });
    },
  },
  {
    reason: "RENEWAL_REUSED",
    end: async ({ url }, { renewalToken }) => {
      await renew(url, renewalToken);
      clock.advance(grace + 1);
      expect(await endReasonAt(url, renewalToken)).toEqual({
        reason: "REUSED",
        endReason: "RENEWAL_REUSED",
      });
    },
  },
  { reason: "USER_GONE", end: ({ admin }, { userId }) => admin.lock(userId) },
  {
    reason: "SESSION_LIMIT",
    options: { maxSessionsPerUser: 1 },
    end: async (_server, _device, other) => {
      clock.advance(1);
      return other();
    },
  },
  {
    reason: "ENDED_BY_OPERATOR",
    end: ({ admin }, { sessionId }) => admin.endSession(sessionId),
  },
];

/** The refusal of a renewal. */
async function endReasonAt(url: string, renewalToken: string): Promise<unknown> {
  const query = `mutation ($renewalToken: String!) {
    renew(renewalToken: $renewalToken) { ... on RenewalRefused { reason endReason } }
  }`;
  return (await askData(url, query, { variables: { renewalToken } })).renew;
}

async function extensionsAt(url: string, token: string): Promise<unknown> {
  return (await ask(url, "{ own }", { token })).errors?.[0]?.extensions;
}

/** A device with `curfew/client`, and the tokens and states of its session. */
async function startDevice(url: string, email: string) {
  const stored = new Map<string, string>();
  const session = createSession({
    url,
    storage: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => stored.set(key, value),
      removeItem: (key) => stored.delete(key),
    },
  });
  await session.register({ email, password });
  const tokens = JSON.parse([...stored.values()][0] ?? "") as SignedIn;
  const states: SessionState[] = [];
  session.subscribe((state) => states.push(state));
  const sockets = createSocketClient(createClient, session);
  const closes: unknown[] = [];
  sockets.on("closed", (event) => {
    const { code, reason } = event as { readonly code: number; readonly reason: string };
    closes.push([code, reason]);
  });
  const ended = Promise.withResolvers<SessionState>();
  const ready = Promise.withResolvers<void>();
  sockets.subscribe(
    { query: "subscription { said }" },
    {
      next: () => ready.resolve(),
      error: () => ended.resolve(session.state),
      complete: () => {},
    },
  );
  await ready.promise;
  return {
    session,
    tokens,
    states,
    closes,
    /** The session's state when the subscription failed. */
    stateAtEnd: ended.promise,
    async [Symbol.asyncDispose]() {
      session.dispose();
      await sockets.dispose();
    },
  };
}

describe.each([
  ["Curfew's server", (given: object) => startCurfew({ ...testApp().schema, ...given })],
  ["an app's own Yoga server", startOwnServer],
] as const)("%s", (_, startServer) => {
  it.each(cases)(
    "reports $reason over HTTP, in a stream, in a renewal and to curfew/client",
    async ({ reason, end, options: more }) => {
      await using server = await startServer({ ...options, ...more });
      const { url } = server;
      const email = newEmail();
      await using device = await startDevice(url, email);
      const { accessToken: token, renewalToken } = device.tokens;
      await using stream = await openStream(url, "subscription { said }", { token });
      expect((await stream.events.next()).data).toEqual({ data: { said: "ready" } });

      await end(server, device.tokens, () => login(url, email));

      const extensions = { code: "UNAUTHENTICATED", reason: "ENDED", endReason: reason };
      expect((await stream.events.next()).data.errors[0].extensions).toEqual(extensions);
      await stream.ended;
      expect(await extensionsAt(url, token)).toEqual(extensions);
      expect(await endReasonAt(url, renewalToken)).toEqual({ reason: "ENDED", endReason: reason });
      const state = { status: "signedOut", reason: "ENDED", endReason: reason };
      expect(await device.stateAtEnd).toEqual(state);
      expect(device.states).toEqual([state]);
      expect(device.closes).toEqual([[4401, "SESSION_ENDED"]]);
    },
  );

  it("reports the reason to a client whose stream begins after the end, and none to a socket", async () => {
    await using server = await startServer(options);
    const { accessToken: token } = await register(server.url);
    await logout(server.url, token);
    await using stream = await openStream(server.url, "subscription { said }", { token });
    expect((await stream.events.next()).data.errors[0].extensions).toEqual({
      code: "UNAUTHENTICATED",
      reason: "ENDED",
      endReason: "LOGOUT",
    });
    const client = createClient({ url: server.socketUrl, connectionParams: { token } });
    const failed = Promise.withResolvers<unknown>();
    const messages: unknown[] = [];
    client.on("message", (message) => messages.push(message));
    client.subscribe(
      { query: "subscription { said }" },
      { next: () => {}, error: failed.resolve, complete: () => {} },
    );
    expect(await failed.promise).toMatchObject({ code: 4401, reason: "SESSION_ENDED" });
    expect(messages).toEqual([]);
  });
});

describe("the reason of an end", () => {
  it("is not reported for a forged token, or for a token of another session", async () => {
    await using curfew = await startCurfew({ ...testApp().schema, ...options });
    const { url } = curfew;
    const email = newEmail();
    const ended = await register(url, email);
    const other = await login(url, email);
    await curfew.admin.endSession(ended.sessionId);
    const forge = (token: string) =>
      token.slice(0, -4) + (token.endsWith("AAAA") ? "BBBB" : "AAAA");

    const refused = { reason: "BAD_SIGNATURE", endReason: null };
    expect(await endReasonAt(url, forge(ended.renewalToken))).toEqual(refused);
    const extensions = { code: "UNAUTHENTICATED", reason: "BAD_SIGNATURE" };
    expect(await extensionsAt(url, forge(ended.accessToken))).toEqual(extensions);
    expect(await endReasonAt(url, ended.sessionId)).toEqual({
      reason: "MALFORMED",
      endReason: null,
    });
    // An access token is no renewal token.
    const wrongKind = { reason: "WRONG_KIND", endReason: null };
    expect(await endReasonAt(url, ended.accessToken)).toEqual(wrongKind);

    await logout(url, other.accessToken);
    const own = { reason: "ENDED", endReason: "LOGOUT" };
    expect(await endReasonAt(url, other.renewalToken)).toEqual(own);
    expect(await extensionsAt(url, other.accessToken)).toMatchObject(own);
  });

  it("is no longer reported after END_REASON_TTL", async () => {
    await using curfew = await startCurfew({
      ...testApp().schema,
      ...options,
      endReasonTtl: 60_000,
      rememberEnds: 60_000,
    });
    const { accessToken, renewalToken } = await register(curfew.url);
    await logout(curfew.url, accessToken);
    clock.advance(59_999);
    const known = { reason: "ENDED", endReason: "LOGOUT" };
    expect(await endReasonAt(curfew.url, renewalToken)).toEqual(known);
    clock.advance(1);
    const gone = { reason: "ENDED", endReason: null };
    expect(await endReasonAt(curfew.url, renewalToken)).toEqual(gone);
    const extensions = { code: "UNAUTHENTICATED", reason: "ENDED" };
    expect(await extensionsAt(curfew.url, accessToken)).toEqual(extensions);
  });

  it("stays the first one when a client logs out of a session that has ended", async () => {
    await using curfew = await startCurfew(options);
    const { sessionId, accessToken, renewalToken } = await register(curfew.url);
    await curfew.admin.endSession(sessionId);
    expect(await logout(curfew.url, accessToken)).toBe(0);
    expect(await endReasonAt(curfew.url, renewalToken)).toEqual({
      reason: "ENDED",
      endReason: "ENDED_BY_OPERATOR",
    });
  });

  it("is read from the store where a recheck found the end", async () => {
    const store = memoryStore();
    await using curfew = await startCurfew({
      ...testApp().schema,
      backends: { store },
      recheckInterval: 20,
    });
    const { accessToken: token, sessionId } = await register(curfew.url);
    await using stream = await openStream(curfew.url, "subscription { said }", { token });
    await stream.events.next();
    const answer = ask(curfew.url, "{ slow }", { token });
    await until(() => curfew.connections.size === 2, "the request to count as slow");
    // Another node ends it, and its message is lost.
    await store.end(sessionId, Date.now(), { reason: "ENDED_BY_USER" });
    const extensions = { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "ENDED_BY_USER" };
    expect((await stream.events.next()).data.errors[0].extensions).toEqual(extensions);
    expect((await answer).errors?.[0]?.extensions).toEqual({ ...extensions, begun: true });
  });

  it.each([
    ["fails", () => Promise.reject(new StoreUnavailable("It is down for a test."))],
    ["does not answer", () => new Promise<never>(() => {})],
  ])("is missing, and the refusal stays the same, if the store %s", async (_, endReason) => {
    const store = memoryStore();
    const replaced = intercept(store, { endReason: () => endReason });
    await using curfew = await startCurfew({
      ...testApp().schema,
      backends: { store: replaced },
      recheckInterval: 20,
    });
    const { accessToken: token, renewalToken, sessionId } = await register(curfew.url);
    await using stream = await openStream(curfew.url, "subscription { said }", { token });
    await stream.events.next();
    await store.end(sessionId, Date.now(), { reason: "ENDED_BY_USER" });
    const extensions = { code: "UNAUTHENTICATED", reason: "ENDED" };
    expect((await stream.events.next()).data.errors[0].extensions).toEqual(extensions);
    await stream.ended;
    expect(await extensionsAt(curfew.url, token)).toEqual(extensions);
    expect(await endReasonAt(curfew.url, renewalToken)).toEqual({
      reason: "ENDED",
      endReason: null,
    });
  });
});
