/** How sockets reconnect: delays, tokens, and the detection of dead sockets. */
import { createClient, type Client, type ClientOptions } from "graphql-ws";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { backoff } from "../../src/client/backoff.ts";
import type { Access, RefusalReason, Session } from "../../src/client/types.ts";
import { createSocketClient } from "../../src/client/graphql-ws.ts";
import { createSession } from "../../src/client/index.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { newEmail, password } from "../helpers/http.ts";
import { startProxy } from "../helpers/proxy.ts";
import { Queue } from "../helpers/queue.ts";
import { until } from "../helpers/until.ts";

/** Captures the options that graphql-ws receives, and records the delays that they request. */
function optionsFor(access: () => Promise<Access | undefined>) {
  let options: ClientOptions | undefined;
  const waits: number[] = [];
  const refusals: (RefusalReason | undefined)[] = [];
  const listeners = new Set<(access: Access) => void>();
  const sent: unknown[] = [];
  const session = {
    url: "https://curfew.test/graphql",
    access,
    onRenewal: (listener: (access: Access) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    refused: (_access: Access, reason: RefusalReason | undefined) => refusals.push(reason),
  } as unknown as Session;
  createSocketClient(
    (given) => {
      options = given;
      return {} as Client;
    },
    session,
    {
      platform: {
        random: () => 1,
        after(milliseconds, callback) {
          waits.push(milliseconds);
          queueMicrotask(callback);
          return () => {};
        },
      },
    },
  );
  if (options === undefined) throw new Error("No options");
  const { url, on, retryWait, connectionParams } = options;
  return {
    waits,
    refusals,
    connect: async () => typeof url === "function" && [await url(), await params()],
    closed: (code: number, reason: string) => on?.closed?.({ code, reason }),
    /** The messages on the socket besides those of graphql-ws. */
    sent,
    renewed: (renewed: Access) => listeners.forEach((listener) => listener(renewed)),
    connected: () =>
      on?.connected?.({ send: (text: string) => sent.push(JSON.parse(text)) }, undefined, false),
    retry: async () => {
      waits.length = 0;
      await retryWait?.(0);
      return waits[0] ?? 0;
    },
  };

  async function params() {
    return typeof connectionParams === "function" ? connectionParams() : connectionParams;
  }
}

const signedIn = async () => ({ token: "t", sessionId: "s" });

it("the delay grows with each attempt, and resets after a connection", async () => {
  const socket = optionsFor(signedIn);
  await socket.connect();
  socket.closed(1012, "SERVICE_RESTART");
  const waits = [await socket.retry(), await socket.retry(), await socket.retry()];
  expect(waits).toEqual([500, 1_000, 2_000]);
  socket.connected();
  socket.closed(1006, "");
  expect(await socket.retry()).toBe(500);
});

it("a socket reconnects without delay after SESSION_EXPIRED, but only once in a row", async () => {
  const socket = optionsFor(signedIn);
  await socket.connect();
  socket.connected();
  socket.closed(4403, "SESSION_EXPIRED");
  expect(await socket.retry()).toBe(0);
  socket.closed(4403, "SESSION_EXPIRED");
  expect(await socket.retry()).toBeGreaterThan(0);
  expect(socket.refusals).toEqual([undefined, undefined]);
});

it("the first connection after a login has no delay from an earlier outage", async () => {
  const socket = optionsFor(signedIn);
  await socket.connect();
  for (let i = 0; i < 20; i += 1) await socket.retry();
  socket.closed(4401, "SESSION_ENDED");
  expect(socket.refusals).toEqual(["ENDED"]);
  expect(await socket.retry()).toBe(0);
});

it("a socket waits for a token, and opens without one when signed out", async () => {
  const access = [Promise.reject(new Error("no network")), signedIn(), signedIn()];
  access[0]?.catch(() => {});
  const socket = optionsFor(() => access.shift() ?? Promise.resolve(undefined));
  expect(await socket.connect()).toEqual(["wss://curfew.test/graphql", { token: "t" }]);
  expect(await socket.connect()).toEqual(["wss://curfew.test/graphql", undefined]);
  socket.closed(4401, "UNAUTHENTICATED");
  expect(socket.refusals).toEqual([]);
});

it("an acknowledged socket sends each newer token of its session once", async () => {
  const socket = optionsFor(signedIn);
  const ping = (token: string) => ({ type: "ping", payload: { token } });
  await socket.connect();
  socket.renewed({ token: "t1", sessionId: "s" });
  socket.renewed({ token: "t2", sessionId: "s" });
  expect(socket.sent).toEqual([]);
  socket.connected();
  expect(socket.sent).toEqual([ping("t2")]);
  socket.renewed({ token: "of another login", sessionId: "s2" });
  expect(socket.sent).toHaveLength(1);
  socket.renewed({ token: "t3", sessionId: "s" });
  expect(socket.sent.slice(1)).toEqual([ping("t3")]);
  socket.closed(1006, "");
  socket.renewed({ token: "t4", sessionId: "s" });
  await socket.connect();
  socket.connected();
  // The next socket was opened with the newest token.
  expect(socket.sent).toHaveLength(2);
});

it("a socket stays open when the session is renewed from other networks", async () => {
  await using curfew = await startCurfew({
    trustProxy: 1,
    accessTokenTtl: 2_000,
    renewalGrace: 1_000,
  });
  let renewals = 0;
  const session = createSession({
    url: curfew.url,
    platform: {
      fetch: (url, init) => {
        const headers = new Headers(init?.headers);
        headers.set("x-forwarded-for", `198.51.${(renewals += 1)}.1`);
        return fetch(url, { ...init, headers });
      },
    },
  });
  await session.register({ email: newEmail(), password });
  class Forwarded extends WebSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol, { headers: { "x-forwarded-for": "192.0.2.1" } });
    }
  }
  const sockets = createSocketClient(createClient, session, { webSocketImpl: Forwarded });
  const log: string[] = [];
  const expiries = new Queue<unknown>();
  sockets.on("connected", (_socket, payload) => {
    log.push("connected");
    expiries.push((payload as Record<string, unknown>)["accessTokenExpiresAt"]);
  });
  sockets.on("closed", () => log.push("closed"));
  sockets.on("pong", (_isReceived, payload) => {
    if (payload !== undefined) expiries.push(payload["accessTokenExpiresAt"]);
  });
  const unsubscribe = sockets.subscribe(
    { query: "subscription { sessionEvents { type } }" },
    { next: () => {}, error: () => {}, complete: () => {} },
  );
  const first = Date.parse(String(await expiries.next()));
  let last = first;
  while (last < first + 4_000) {
    const next = Date.parse(String(await expiries.next()));
    expect(next).toBeGreaterThan(last);
    last = next;
  }
  expect(log).toEqual(["connected"]);
  unsubscribe();
  session.dispose();
  await sockets.dispose();
});

it("the client detects a dead socket that reports no close", async () => {
  await using curfew = await startCurfew();
  await using proxy = await startProxy(Number(new URL(curfew.url).port));
  const session = createSession({ url: curfew.url });
  await session.register({ email: newEmail(), password });
  const sockets = createSocketClient(createClient, session, {
    url: `ws://127.0.0.1:${proxy.port}/graphql`,
    keepAlive: 50,
    platform: {
      after(milliseconds, callback) {
        const timer = setTimeout(callback, milliseconds / 20);
        return () => clearTimeout(timer);
      },
    },
  });
  const log = new Queue<string>();
  sockets.on("connected", () => log.push("connected"));
  sockets.on("closed", (event) => log.push(`closed ${(event as { code: number }).code}`));
  const unsubscribe = sockets.subscribe(
    { query: "subscription { sessionEvents { type } }" },
    { next: () => {}, error: () => {}, complete: () => {} },
  );
  expect(await log.next()).toBe("connected");
  proxy.halfOpen();
  expect(await log.next()).toBe("closed 4499");
  proxy.heal();
  // Connections that started during the outage fail.
  let next = await log.next();
  while (next !== "connected") next = await log.next();
  unsubscribe();
  session.dispose();
  await sockets.dispose();
});

it("a subscription fails once its session is signed out, and not after it was unsubscribed", async () => {
  await using curfew = await startCurfew();
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const session = createSession({
    url: curfew.url,
    platform: {
      fetch: async (url, init) => {
        if (init !== undefined && (init.body as string).includes("endReason")) {
          asked.resolve();
          await gate.promise;
        }
        return fetch(url, init);
      },
      // The test answers the question, however late.
      after: () => () => {},
    },
  });
  const registered = await session.register({ email: newEmail(), password });
  if (registered.__typename !== "SignedIn") throw new Error(registered.message);
  const sockets = createSocketClient(createClient, session);
  const failed = new Queue<unknown>();
  const subscribe = (name: string) =>
    sockets.subscribe(
      { query: "subscription { sessionEvents { type } }" },
      {
        next: () => {},
        error: () => failed.push([name, session.state.status]),
        complete: () => {},
      },
    );
  const unsubscribe = subscribe("one");
  subscribe("other");
  await until(() => curfew.connections.size === 1, "the socket");

  await curfew.admin.endSession(registered.sessionId);
  await asked.promise;
  // graphql-ws reports the error in this turn of the event loop.
  await new Promise(setImmediate);
  unsubscribe();
  gate.resolve();

  expect(await failed.next()).toEqual(["other", "signedOut"]);
  expect(failed.pending).toEqual([]);
  session.dispose();
  await sockets.dispose();
});

it("the backoff spreads clients that lost a server together", () => {
  for (const failures of [0, 1, 5, 20]) {
    const waits = Array.from({ length: 1_000 }, () => backoff(failures, Math.random));
    const longest = Math.max(...waits);
    const busiest = Math.max(
      ...Array.from({ length: 10 }, (_, tenth) => {
        const from = longest / 2 + (tenth * longest) / 20;
        return waits.filter((wait) => wait >= from && wait < from + longest / 20).length;
      }),
    );
    expect(Math.min(...waits)).toBeGreaterThan(longest * 0.49);
    expect(busiest).toBeLessThan(170);
  }
});
