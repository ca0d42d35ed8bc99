/** A thousand clients that connect at once, as after a restart: concurrent reads are limited, and all are admitted. */
import { createClient } from "graphql-ws";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import type { Session } from "../../src/session/session.ts";
import type { Claims } from "../../src/session/token.ts";
import { admit } from "../../src/connections/admit.ts";
import type { Admission, Connections } from "../../src/connections/connections.ts";
import { ConcurrencyLimiter } from "../../src/lib/concurrency-limiter.ts";
import { newConnection } from "../../src/connections/session-connections.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { rethrowReported } from "../helpers/domain.ts";
import { intercept, withoutClose, memoryStore } from "../helpers/backends.ts";
import { device } from "../helpers/sessions.ts";
import { TestSocket } from "../helpers/socket.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";

const count = 1_000;
const atOnce = 100;
const admissionTimeout = 5_000;
const tryAgainLater = { code: 1013, reason: "TRY_AGAIN_LATER" };

/** A slow store that counts its concurrent reads. */
function slowStore(time: number) {
  const reads = { now: 0, most: 0 };
  const part = intercept(memoryStore(), {
    read: (real) => async (fingerprint, now) => {
      reads.now += 1;
      reads.most = Math.max(reads.most, reads.now);
      const session = await real(fingerprint, now);
      await new Promise((resolve) => setTimeout(resolve, time));
      reads.now -= 1;
      return session;
    },
  });
  return { part, reads };
}

async function tokensOf({ sessions }: TestCurfew): Promise<string[]> {
  const start = () => sessions.start("user", device);
  const issued = await Promise.all(Array.from({ length: count }, start));
  return issued.map(({ tokens }) => tokens.accessToken);
}

it("each client is admitted or closed retryably within the time-out, and concurrent reads stay within the limit", async () => {
  const store = slowStore(250);
  await using curfew = await startCurfew({
    maxSessionsPerUser: 0,
    backends: { store: store.part },
  });
  const tokens = await tokensOf(curfew);
  await using opened = new AsyncDisposableStack();
  const sockets = await Promise.all(
    tokens.map(() => opened.use(new TestSocket(curfew.socketUrl)).opened()),
  );
  const elapsed = stopwatch();
  const outcomes = sockets.map(async (socket, i) => {
    socket.init({ token: tokens[i] });
    return Promise.race([socket.messages.next().then(({ type }) => type), socket.closed]);
  });
  const all = await Promise.all(outcomes);

  expect(elapsed()).toBeLessThan(2 * admissionTimeout);
  const admitted = all.filter((outcome) => outcome === "connection_ack").length;
  const refused = all.filter((outcome) => typeof outcome === "object");
  expect(store.reads.most).toBe(atOnce);
  expect(admitted).toBeGreaterThanOrEqual(500);
  expect(refused.length).toBe(count - admitted);
  expect(refused).toEqual(refused.map(() => tryAgainLater));
  expect(curfew.connections.size).toBe(admitted);
});

it("clients that reconnect by themselves are all connected in the end", async () => {
  const store = slowStore(100);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => store.part.close());
  const parts = { store: withoutClose(store.part) };
  const options = { backends: parts, drainTime: 0, maxSessionsPerUser: 0 };
  const first = await startCurfew(options);
  opened.defer(() => first.close());
  const tokens = await tokensOf(first);
  let connects = 0;
  const clients = tokens.map((token) =>
    createClient({
      url: first.socketUrl,
      webSocketImpl: WebSocket,
      lazy: false,
      connectionParams: { token },
      retryAttempts: 100,
      retryWait: () => new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400)),
      // A port without a listener causes an error and no close.
      shouldRetry: () => true,
      onNonLazyError: () => {},
      on: { connected: () => (connects += 1) },
    }),
  );
  await until(() => connects === count, "all to be connected");
  await first.close();

  store.reads.most = 0;
  const second = await startCurfew({ ...options, port: Number(new URL(first.url).port) });
  opened.defer(() => second.close());
  opened.defer(async () => {
    await Promise.all(clients.map(async (client) => client.dispose()));
  });
  await until(() => connects === 2 * count, "all to be connected again");
  expect(second.connections.size).toBe(count);
  expect(store.reads.most).toBeLessThanOrEqual(atOnce);
});

it("no session is read for a client that left while it waited for its turn", async () => {
  const gate = Promise.withResolvers<void>();
  const admitted: ConnectionLifecycle[] = [];
  const connections = {
    admit: async ({ connection }: Admission) => {
      admitted.push(connection.lifecycle);
      await gate.promise;
      return { state: "signedIn", session: {} as Session, claims: {} as Claims };
    },
  } as unknown as Connections;
  const admissionLimiter = new ConcurrencyLimiter({ atOnce: 1, waiting: 1 });
  const refusals: string[] = [];
  const lifecycles = [
    new ConnectionLifecycle(rethrowReported),
    new ConnectionLifecycle(rethrowReported),
    new ConnectionLifecycle(rethrowReported),
  ];
  const options = {
    connections,
    admissionLimiter,
    admissionTimeout: 10_000,
    reportError: () => {},
  };
  const admissions = lifecycles.map((lifecycle) =>
    admit(
      {
        claims: {} as Claims,
        connection: newConnection(lifecycle, { ipAddress: null }),
        logRefusal: (reason) => void refusals.push(reason),
        kind: "stream",
      },
      options,
    ),
  );
  lifecycles[1]?.end("CLIENT_GONE");
  gate.resolve();
  await Promise.all(admissions);
  expect(admitted).toEqual([lifecycles[0]]);
  expect(refusals).toEqual(["BUSY"]);
  expect(lifecycles.map(({ closeReason: ending }) => ending)).toEqual([
    undefined,
    "CLIENT_GONE",
    "TRY_AGAIN_LATER",
  ]);
});
