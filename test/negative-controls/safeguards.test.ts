/** Negative controls: the same course of events with and without each safeguard proves that the safeguard matters. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, it, vi } from "vitest";
import { Deadlines } from "../../src/lib/deadlines.ts";
import { KeyRing } from "../../src/session/keys.ts";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { Stream } from "../../src/lib/bounded-queue.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { Connections } from "../../src/connections/connections.ts";
import { newConnection } from "../../src/connections/session-connections.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { CloseQueue } from "../../src/connections/close-queue.ts";
import { commandClient, probeLinks, subscriberClient } from "../helpers/adapters.ts";
import { secrets, startCurfew } from "../helpers/curfew.ts";
import { rethrowReported } from "../helpers/domain.ts";
import { register } from "../helpers/http.ts";
import {
  breakable,
  intercept,
  withoutClose,
  memoryStore,
  memoryPubSub,
} from "../helpers/backends.ts";
import { eventTimeout } from "../helpers/timeouts.ts";
import { startProxy } from "../helpers/proxy.ts";
import { startRedis } from "../helpers/redis.ts";
import { device, lifetimes } from "../helpers/sessions.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { everyoneEnabled } from "../helpers/users.ts";

/** So long that no recheck runs. */
const unchecked = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };
/** How long to wait for events that should happen, and for events that should not (ms). */
const waitFor = { expected: eventTimeout, unexpected: 500 };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

afterEach(() => vi.restoreAllMocks());

type SessionParts = ConstructorParameters<typeof Sessions>[0];

function sessionsOn(
  parts: Pick<SessionParts, "store" | "pubsub"> & Partial<Pick<SessionParts, "userStatus">>,
) {
  return new Sessions({
    ring: new KeyRing(secrets),
    lifetimes,
    userStatus: everyoneEnabled,
    clock: Date.now,
    randomBytes,
    reportError: () => {},
    ...parts,
  });
}

/** A server with its own backends, and the use cases of another node with the same store. */
async function startNode(
  replacements: Parameters<typeof intercept<PubSub>>[1],
  options?: CurfewOptions,
) {
  const store = memoryStore();
  const pubsub = memoryPubSub();
  const parts = { store: withoutClose(store), pubsub: intercept(pubsub, replacements) };
  const curfew = await startCurfew({ ...unchecked, ...options, backends: parts });
  return { curfew, elsewhere: sessionsOn({ store, pubsub }), store, pubsub };
}

/** The user's security version is raised, and no list leads to the session. */
async function renewAfterRaise(compares: boolean): Promise<boolean> {
  const status = { disabled: false, securityVersion: compares ? 1 : 0 };
  const parts = { store: memoryStore(), pubsub: memoryPubSub() };
  const { tokens } = await sessionsOn(parts).start("user", device, 0);
  const renewal = await sessionsOn({ ...parts, userStatus: async () => status }).renew(
    tokens.renewalToken,
  );
  return renewal.outcome === "refused" && renewal.reason === "ENDED";
}

async function closes({ closed }: TestSocket, isExpected: boolean): Promise<boolean> {
  const time = isExpected ? waitFor.expected : waitFor.unexpected;
  return Promise.race([closed.then(() => true), pause(time, false, { ref: false })]);
}

/** The session ends while the subscription for its first socket is in flight. */
async function endWhileSubscribing(waits: boolean): Promise<boolean> {
  const gate = Promise.withResolvers<void>();
  const { curfew, elsewhere } = await startNode({
    subscribe: (real) => async (topic, listener) => {
      const subscribed = gate.promise.then(() => real(topic, listener));
      if (waits) return subscribed;
      return () => void subscribed.then((leave) => leave());
    },
  });
  await using _ = curfew;
  const { session, tokens } = await elsewhere.start("user", device);
  await using socket = await new TestSocket(curfew.socketUrl).opened();
  socket.init({ token: tokens.accessToken });
  if (waits) await until(() => curfew.connections.size === 1);
  else expect(await socket.messages.next()).toMatchObject({ type: "connection_ack" });
  await elsewhere.end(session.fingerprint, "LOGOUT");
  gate.resolve();
  return await closes(socket, waits);
}

/** The message of an end is lost in a gap, which the pub/sub reports afterwards. */
async function endInGap(rechecksOnReturn: boolean): Promise<boolean> {
  const listeners: (() => void)[] = [];
  const { curfew, store } = await startNode({
    onMessagesMissed: () => (listener) => (listeners.push(listener), () => {}),
  });
  await using _ = curfew;
  const unheard = sessionsOn({ store, pubsub: memoryPubSub() });
  const { session, tokens } = await unheard.start("user", device);
  await using socket = await connect(curfew.socketUrl, tokens.accessToken);
  await unheard.end(session.fingerprint, "LOGOUT");
  if (rechecksOnReturn) for (const tell of listeners) tell();
  return await closes(socket, rechecksOnReturn);
}

/** The message of an end is lost, and nothing reports that. */
async function endUnheard(rechecks: boolean): Promise<boolean> {
  const { curfew, store } = await startNode({}, rechecks ? { recheckInterval: 50 } : {});
  await using _ = curfew;
  const unheard = sessionsOn({ store, pubsub: memoryPubSub() });
  const { session, tokens } = await unheard.start("user", device);
  await using socket = await connect(curfew.socketUrl, tokens.accessToken);
  await unheard.end(session.fingerprint, "LOGOUT");
  return await closes(socket, rechecks);
}

/**
 * An operation arrives on a socket that is marked closed and waits in the close queue, or is being
 * checked when it is marked. No directive guards it, and the session is live: nothing else refuses it.
 */
async function operateAfterTheEnd(isGated: boolean, isUnderWay: boolean): Promise<boolean> {
  let calls = 0;
  let isHeld = false;
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const store = intercept(memoryStore(), {
    read: (real) => async (fingerprint, now) => {
      if (isHeld) await (asked.resolve(), gate.promise);
      return real(fingerprint, now);
    },
  });
  await using curfew = await startCurfew({
    ...unchecked,
    backends: { store },
    typeDefs: "type Mutation { count: Int! }",
    resolvers: { Mutation: { count: () => (calls += 1) } },
  });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  const operate = () => socket.subscribe("1", "mutation { count }");
  isHeld = isUnderWay;
  if (isUnderWay) await (operate(), asked.promise);
  for (const lifecycle of curfew.connections.lifecycles) lifecycle.markClosed("TRY_AGAIN_LATER");
  if (!isGated)
    for (const state of ["closeReason", "closingFor"] as const)
      vi.spyOn(ConnectionLifecycle.prototype, state, "get").mockReturnValue(undefined);
  if (isUnderWay) gate.resolve();
  else operate();
  if (isGated) await pause(waitFor.unexpected);
  else await until(() => calls > 0, "the operation to be executed");
  // An operation after the end is ignored; one before it gets a response but is not executed.
  return calls === 0 && (isUnderWay || socket.messages.pending.length === 0);
}

/** A client does not read 5,000 events of 4 KB. */
async function readNothing(isBounded: boolean): Promise<boolean> {
  const heap = () => (collectGarbage(), process.memoryUsage().heapUsed);
  const stream = isBounded ? new Stream<string>(() => {}) : new Stream<string>(() => {}, Infinity);
  const before = heap();
  for (let i = 0; i < 5_000; i += 1) stream.push(Buffer.alloc(4096, `${i} `).toString());
  const grown = heap() - before;
  await stream.return();
  return grown < 8 * 1024 * 1024;
}

/** The connections of a thousand sessions are closed in one turn of the event loop. */
async function endTogether(inSlices: boolean): Promise<boolean> {
  const pubsub = memoryPubSub();
  const store = breakable(memoryStore());
  const sessions = sessionsOn({ store: store.part, pubsub });
  const clock = Date.now;
  const connections = new Connections({
    sessions,
    pubsub,
    deadlines: new Deadlines(clock(), rethrowReported),
    clock,
    uptime: clock,
    maxSocketsPerSession: 1,
    reportError: () => {},
  });
  let closed = 0;
  for (let i = 0; i < 1_000; i += 1) {
    const { tokens } = await sessions.start("user", device);
    const reading = sessions.verify(tokens.accessToken);
    if (!reading.ok) throw new Error(reading.reason);
    const lifecycle = new ConnectionLifecycle(rethrowReported);
    lifecycle.onEnd(() => (closed += 1));
    await connections.admit({
      claims: reading.claims,
      connection: newConnection(lifecycle, { ipAddress: null }),
      kind: "stream",
    });
  }
  if (!inSlices)
    vi.spyOn(CloseQueue.prototype, "close").mockImplementation((closing, reason) => {
      for (const lifecycle of closing) lifecycle.end(reason);
    });
  store.goDown();
  await connections.recheck("all");
  connections.closeUnverified(clock());
  const atOnce = closed;
  await until(() => closed === 1_000);
  connections.close();
  return atOnce <= 200;
}

/** The store does not reply for one of two sessions, for longer than the grace period. */
async function loseOnePart(answersForEach: boolean): Promise<boolean> {
  let away: string | undefined;
  const cause = new StoreUnavailable("Its shard is away");
  const store = intercept(memoryStore(), {
    readMany: (real) => async (fingerprints, now) => {
      if (!answersForEach && away !== undefined && fingerprints.includes(away)) throw cause;
      const readings = await real(fingerprints, now);
      return readings.map((reading, i) =>
        fingerprints[i] === away ? { state: "unknown", cause } : reading,
      );
    },
  });
  const short = { recheckInterval: 50, outageGrace: 1_000 };
  await using curfew = await startCurfew({ ...short, backends: { store } });
  const [lost, other] = [await register(curfew.url), await register(curfew.url)];
  await using gone = await connect(curfew.socketUrl, lost.accessToken);
  await using kept = await connect(curfew.socketUrl, other.accessToken);
  away = lost.sessionId;
  await gone.closed;
  return !(await closes(kept, !answersForEach));
}

/** The subscriber's connection dies without a TCP error; the probe of a second subscriber detects that. */
async function dieSilently(probes: boolean): Promise<boolean> {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  const address = `redis://127.0.0.1:${proxy.port}`;
  await using opened = new AsyncDisposableStack();
  const publisher = await commandClient(redis.url);
  opened.defer(() => publisher.disconnect());
  const listen = async (hasProbe: boolean) => {
    const subscriber = await subscriberClient(address);
    const pubsub = new RedisPubSub({ publisher, subscriber, onError: () => {} });
    opened.defer(() => pubsub.close());
    if (hasProbe) {
      const probe = await probeLinks({ commands: publisher, subscriber });
      opened.defer(() => probe.close());
    }
    const back = Promise.withResolvers<true>();
    pubsub.onMessagesMissed(() => back.resolve(true));
    await pubsub.subscribe("topic", () => {});
    return { back: back.promise };
  };
  const beside = await listen(true);
  const ours = await listen(probes);
  proxy.halfOpen();
  proxy.heal();
  await beside.back;
  const time = probes ? waitFor.expected : waitFor.unexpected;
  return await Promise.race([ours.back, pause(time, false, { ref: false })]);
}

it.each([
  ["waiting for the acknowledgement of a subscription", endWhileSubscribing],
  ["the recheck after the subscriber reconnects", endInGap],
  ["the periodic recheck", endUnheard],
  ["the probe of the links", dieSilently],
  [
    "refusing operations on connections that are marked closed",
    (on: boolean) => operateAfterTheEnd(on, false),
  ],
  [
    "discarding operations in flight on such connections",
    (on: boolean) => operateAfterTheEnd(on, true),
  ],
  ["the bounded queue of a subscription", readNothing],
  ["closing in batches", endTogether],
  ["a separate lookup result for each session", loseOnePart],
  ["the comparison of security versions at a renewal", renewAfterRaise],
])(
  "%s is necessary: with it the promise holds, without it the promise is broken",
  async (_, holds) => {
    expect(await holds(true)).toBe(true);
    expect(await holds(false)).toBe(false);
  },
);
