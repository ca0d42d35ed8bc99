/** End listeners of an app that fail: all connections end as they would without them. */
import { expect, it } from "vitest";
import type { CurfewContext } from "../../src/graphql/context.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { breakable, memoryStore } from "../helpers/backends.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";
import { until } from "../helpers/until.ts";

expectNothingUnhandled();

const fault = new Error("A fault of the app");
const listeners: Readonly<Record<string, () => unknown>> = {
  "throws at once": () => {
    throw fault;
  },
  "is async and fails": async () => Promise.reject(fault),
};

/** Publishes "ready" when the app's listener is registered, before Curfew's own listeners for the stream. */
function listening(listener: () => unknown): CurfewOptions {
  const subscribe = async (_parent: unknown, _args: unknown, context: CurfewContext) => {
    context.caller.lifecycle.onEnd(listener);
    const stream = await context.events.subscribe<string>("nothing");
    stream.push("ready");
    return stream;
  };
  return {
    typeDefs: "type Subscription { word: String }",
    resolvers: { Subscription: { word: { subscribe, resolve: String } } },
  };
}

/** Two sessions, each with a socket and a stream that have such a listener. */
async function open(url: string, socketUrl: string, opened: AsyncDisposableStack) {
  const subscription = "subscription { word }";
  const sessions = [await register(url), await register(url)];
  return Promise.all(
    sessions.map(async ({ accessToken: token, sessionId }) => {
      const socket = opened.use(await connect(socketUrl, token));
      const stream = opened.use(await openStream(url, subscription, { token }));
      socket.subscribe("1", subscription);
      expect(await socket.messages.next()).toMatchObject({ payload: { data: { word: "ready" } } });
      expect(await stream.events.next()).toMatchObject({ data: { data: { word: "ready" } } });
      return { sessionId, socket, stream };
    }),
  );
}

const cases = Object.entries(listeners);

it.each(cases)(
  "an end listener that %s does not prevent the end of a session",
  async (_, listener) => {
    await using curfew = await startCurfew(listening(listener));
    await using opened = new AsyncDisposableStack();
    const [one, two] = await open(curfew.url, curfew.socketUrl, opened);
    await curfew.sessions.end(one?.sessionId ?? "", "LOGOUT");
    expect(await one?.socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
    const extensions = { code: "UNAUTHENTICATED", reason: "ENDED" };
    expect(await one?.stream.events.next()).toMatchObject({ data: { errors: [{ extensions }] } });
    await one?.stream.ended;
    await until(() => curfew.connections.size === 2);
    await until(() => curfew.log.filter(({ err }) => err !== undefined).length === 2);
    for (const { err } of curfew.log.filter((line) => line["err"] !== undefined))
      expect(err).toMatchObject({ message: fault.message });
    two?.socket.send({ type: "ping" });
    expect(await two?.socket.messages.next()).toEqual({ type: "pong" });
  },
);

it.each(cases)(
  "an end listener that %s does not prevent connections from closing in an outage",
  async (_, listener) => {
    const store = breakable(memoryStore());
    const parts = { store: store.part };
    await using curfew = await startCurfew({
      ...listening(listener),
      backends: parts,
      recheckInterval: 50,
      outageGrace: 100,
    });
    await using opened = new AsyncDisposableStack();
    const sessions = await open(curfew.url, curfew.socketUrl, opened);
    store.goDown();
    for (const { socket, stream } of sessions) {
      expect(await socket.closed).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
      await stream.ended;
    }
    await until(() => curfew.connections.size === 0);
  },
);
