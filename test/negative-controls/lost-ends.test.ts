/** Negative controls of the safeguards against a store that loses ends: the same course of events with and without each. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { EndChannel } from "../../src/session/end-channel.ts";
import { KeyRing } from "../../src/session/keys.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { channelNames } from "../../src/stores/redis/channel-names.ts";
import { LinkProbe } from "../../src/stores/redis/link-probe.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { commandClient } from "../helpers/adapters.ts";
import { intercept, memoryPubSub } from "../helpers/backends.ts";
import { secrets, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { askData, register, retryWhileUnavailable, type SignedIn } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { startProxy } from "../helpers/proxy.ts";
import { clientCount, recordAt, startCopy } from "../helpers/redis-copy.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { lifetimes } from "../helpers/sessions.ts";
import { connect } from "../helpers/socket.ts";
import { eventTimeout } from "../helpers/timeouts.ts";
import { until } from "../helpers/until.ts";
import { everyoneEnabled } from "../helpers/users.ts";

afterEach(() => vi.restoreAllMocks());

/** Longer than the safeguards take (ms). */
const longEnough = { replay: 2_000, probe: 10_000, message: 500 };

async function isAccepted({ url }: TestCurfew, { accessToken }: SignedIn): Promise<boolean> {
  const query = "{ viewer { session { id } } }";
  const { viewer } = await retryWhileUnavailable(() => askData(url, query, { token: accessToken }));
  return viewer !== null;
}

/** Whether something happens that is expected, or else within the time (ms) that it would take. */
async function happens(what: () => boolean | Promise<boolean>, isExpected: boolean, time: number) {
  return until(what, "the event", isExpected ? eventTimeout : time).then(
    () => true,
    () => false,
  );
}

async function logOut({ url }: TestCurfew, { accessToken: token }: SignedIn) {
  const query = "mutation ($token: String) { logout(token: $token) { endedSessions } }";
  await askData(url, query, { variables: { token } });
}

/** Two nodes whose Redis can be replaced by a copy of its data, behind the same address. */
async function startReplaceable(options: CurfewOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await startRedis());
  const proxy = opened.use(await startProxy(redis.port));
  const redisUrl = `redis://127.0.0.1:${proxy.port}`;
  const nodes = opened.use(await startNodes({ redisUrl }, { ...rareRechecks, ...options }));
  const session = await register(nodes.here.url);
  const socket = opened.use(await connect(nodes.there.socketUrl, session.accessToken));
  const copy = opened.use(await startCopy(redis));
  proxy.switchTo(copy.port);
  const all = opened.move();
  return {
    ...nodes,
    redis,
    redisUrl,
    copy,
    session,
    socket,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

type Replaceable = Awaited<ReturnType<typeof startReplaceable>>;

/** The session ends on one node, the other hears that, and the server is lost with the end. */
async function loseEnd({ here, session, socket, redis, copy }: Replaceable): Promise<void> {
  await logOut(here, session);
  await socket.closed;
  await redis.kill();
  const isHeard = async () => {
    const reply = await copy.command("PUBSUB", "NUMSUB", "curfew:ends");
    return Array.isArray(reply) && reply[1] === 2;
  };
  await until(isHeard, "the nodes to subscribe at the other server");
}

/** Whether every node refuses the session after the failover. */
async function refuseAfterFailover(remembers: boolean): Promise<boolean> {
  await using started = await startReplaceable({ maxRememberedEnds: remembers ? 1_000 : 0 });
  await loseEnd(started);
  const { here, there, session } = started;
  return !(await isAccepted(here, session)) && !(await isAccepted(there, session));
}

function withoutReplay() {
  vi.spyOn(RedisSessions.prototype, "onReplaced").mockReturnValue(() => {});
}

/** Whether the new server has the end after the failover. */
async function correctAfterFailover(replays: boolean): Promise<boolean> {
  if (!replays) withoutReplay();
  await using started = await startReplaceable();
  await loseEnd(started);
  const { copy, session } = started;
  const isEnded = async () => (await recordAt(copy, session.sessionId)) === "ended";
  return await happens(isEnded, replays, longEnough.replay);
}

/** Whether a node that starts after the failover, and knows nothing itself, refuses the session. */
async function refuseAfterStart(asks: boolean): Promise<boolean> {
  withoutReplay();
  await using started = await startReplaceable();
  await loseEnd(started);
  if (!asks) vi.spyOn(EndChannel.prototype, "open").mockResolvedValue();
  const { redisUrl, session } = started;
  await using late = await startCurfew({ ...rareRechecks, redisUrl });
  return !(await isAccepted(late, session));
}

/** Closes the probe when it has tried the links at the start. */
function withoutProbe() {
  const start = LinkProbe.start.bind(LinkProbe);
  vi.spyOn(LinkProbe, "start").mockImplementation(async (options) => {
    const probe = await start(options);
    probe.close();
    return probe;
  });
}

/** The session ends while commands go to one server, and the subscribers are connected to another. */
async function endOnSplitLinks(probes: boolean): Promise<boolean> {
  if (!probes) withoutProbe();
  await using started = await startReplaceable();
  const { redis, copy, here, session, socket } = started;
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await until(async () => (await clientCount(copy, "pubsub")) === 2, "the subscribers");
  await logOut(here, session);
  let isClosed = false;
  void socket.closed.then(() => (isClosed = true));
  return await happens(() => isClosed, probes, longEnough.probe);
}

/** A node dies when the store has ended the session, before the node publishes anything. */
async function dieAfterDelete(inOneStep: boolean): Promise<boolean> {
  await using opened = new AsyncDisposableStack();
  const redis: RedisServer = opened.use(await startRedis());
  const curfew = opened.use(await startCurfew({ ...rareRechecks, redisUrl: redis.url }));
  const { accessToken, sessionId } = await register(curfew.url);
  const socket = opened.use(await connect(curfew.socketUrl, accessToken));
  const store = new RedisSessions(
    await commandClient(redis.url),
    inOneStep ? { channelOf: channelNames() } : {},
  );
  opened.defer(() => store.close());
  const dying = new Sessions({
    store,
    pubsub: intercept(memoryPubSub(), { publish: () => () => new Promise(() => {}) }),
    ring: new KeyRing(secrets),
    lifetimes,
    userStatus: everyoneEnabled,
    clock: Date.now,
    randomBytes,
    reportError: () => {},
  });
  void dying.end(sessionId, "LOGOUT");
  await until(async () => (await recordAt(redis, sessionId)) === "ended", "the end");
  return await Promise.race([
    socket.closed.then(() => true),
    pause(inOneStep ? eventTimeout : longEnough.message, false, { ref: false }),
  ]);
}

it.each([
  ["remembering ends on each node", refuseAfterFailover],
  ["replaying ends to another store", correctAfterFailover],
  ["asking other nodes for their ends at the start", refuseAfterStart],
  ["the probe of both links by delivery", endOnSplitLinks],
  ["publishing an end in the step that makes it", dieAfterDelete],
])(
  "%s is necessary: with it the promise holds, without it the promise is broken",
  async (_, holds) => {
    expect(await holds(true)).toBe(true);
    vi.restoreAllMocks();
    expect(await holds(false)).toBe(false);
  },
);
