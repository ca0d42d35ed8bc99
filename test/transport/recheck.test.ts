/** Lost messages are made up for: by rechecks, by deadlines, and by closing connections after a long outage. */
import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { Deadlines } from "../../src/lib/deadlines.ts";
import { KeyRing } from "../../src/session/keys.ts";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { Connections } from "../../src/connections/connections.ts";
import { newConnection } from "../../src/connections/session-connections.ts";
import { Recheck } from "../../src/connections/recheck.ts";
import { fakeClock, secrets } from "../helpers/curfew.ts";
import { rethrowReported } from "../helpers/domain.ts";
import {
  breakable,
  countSubscriptions,
  intercept,
  memoryStore,
  memoryPubSub,
} from "../helpers/backends.ts";
import { device, lifetimes } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";
import { everyoneEnabled } from "../helpers/users.ts";

const interval = 5_000;
const outageGrace = 30_000;

const unknown = { state: "unknown", cause: new StoreUnavailable("Its shard is away") } as const;

/** A node without transports, whose clock and timer the test controls. */
function openNode() {
  const wall = fakeClock();
  const uptime = fakeClock(0);
  const advance = (time: number) => [wall, uptime].forEach((each) => each.advance(time));
  const clock = Object.assign(() => wall(), { advance });
  const reads: (readonly string[])[] = [];
  const unanswered = new Set<string>();
  let gate = Promise.resolve();
  const concurrentReads = { now: 0, most: 0 };
  const store = breakable(
    intercept(memoryStore(), {
      readMany: (real) => async (fingerprints, now) => {
        reads.push(fingerprints);
        concurrentReads.most = Math.max(concurrentReads.most, (concurrentReads.now += 1));
        const found = await real(fingerprints, now);
        await gate;
        concurrentReads.now -= 1;
        return found.map((reading, i) =>
          unanswered.has(fingerprints[i] ?? "") ? unknown : reading,
        );
      },
    }),
  );
  const pubsub = countSubscriptions(memoryPubSub());
  const deadlines = new Deadlines(clock(), rethrowReported);
  const faults: string[] = [];
  const reportError = (what: string) => void faults.push(what);
  const ring = new KeyRing(secrets);
  const domain = {
    store: store.part,
    ring,
    lifetimes,
    userStatus: everyoneEnabled,
    clock,
    randomBytes,
    reportError,
  };
  const sessions = new Sessions({ ...domain, pubsub: pubsub.part });
  /** Ends and renews sessions without publishing messages. */
  const otherNode = new Sessions({ ...domain, pubsub: memoryPubSub() });
  const connections = new Connections({
    sessions,
    pubsub: pubsub.part,
    deadlines,
    clock,
    uptime,
    maxSocketsPerSession: 10,
    reportError,
  });
  const shared = { connections, deadlines, clock, uptime, reportError };
  const recheck = new Recheck({ ...shared, recheckInterval: interval, outageGrace });
  const join = async () => {
    const { session, tokens } = await sessions.start("user", device);
    const reading = sessions.verify(tokens.accessToken);
    if (!reading.ok) throw new Error(reading.reason);
    const lifecycle = new ConnectionLifecycle(rethrowReported);
    const { claims } = reading;
    const admission = await connections.admit({
      claims,
      connection: newConnection(lifecycle, device),
      kind: "stream",
    });
    expect(admission.state).toBe("signedIn");
    return { lifecycle, fingerprint: session.fingerprint, tokens };
  };
  return {
    clock,
    sessions,
    /** Sets the wall clock, as an operator or NTP does; uptime is not affected. */
    setClock: wall.advance,
    store,
    pubsub,
    deadlines,
    faults,
    reads,
    concurrentReads,
    /** Sessions that the store does not answer for. */
    unanswered,
    /** Delays the store's answers until it resolves. */
    delayAnswers: (opening: Promise<void>) => void (gate = opening),
    otherNode,
    connections,
    recheck,
    join,
    [Symbol.dispose]: () => {
      recheck.close();
      connections.close();
    },
  };
}

it("the next recheck closes the connections of a session whose end message was lost, and no others", async () => {
  using node = openNode();
  const [ended, kept] = [await node.join(), await node.join()];
  await node.otherNode.end(ended.fingerprint, "LOGOUT");
  node.clock.advance(interval - 1);
  node.recheck.tick();
  expect(node.reads).toEqual([]);
  node.clock.advance(1);
  node.recheck.tick();
  await until(() => ended.lifecycle.closeReason !== undefined);
  expect(ended.lifecycle.closeReason).toBe("SESSION_ENDED");
  expect(kept.lifecycle.closeReason).toBeUndefined();
});

it("a wall clock that is set back delays neither the recheck nor the end of an outage", async () => {
  using node = openNode();
  const [ended, kept] = [await node.join(), await node.join()];
  await node.otherNode.end(ended.fingerprint, "LOGOUT");
  node.setClock(-3_600_000);
  node.clock.advance(interval);
  node.recheck.tick();
  await until(() => ended.lifecycle.closeReason !== undefined);
  expect(ended.lifecycle.closeReason).toBe("SESSION_ENDED");

  node.store.goDown();
  node.clock.advance(interval);
  node.recheck.tick();
  await until(() => node.faults.length > 0);
  node.setClock(-3_600_000);
  node.clock.advance(outageGrace);
  node.recheck.tick();
  await until(() => kept.lifecycle.closeReason !== undefined);
  expect(kept.lifecycle.closeReason).toBe("TRY_AGAIN_LATER");
});

it("a renewal whose message was lost still moves the deadline", async () => {
  using node = openNode();
  const { lifecycle, tokens } = await node.join();
  node.clock.advance(lifetimes.access - 1_000);
  await node.otherNode.renew(tokens.renewalToken, device);
  node.clock.advance(2_000);
  node.recheck.tick();
  await until(() => node.deadlines.size === 1 && node.reads.length > 0);
  expect(lifecycle.closeReason).toBeUndefined();
  node.clock.advance(lifetimes.access);
  node.recheck.tick();
  await until(() => lifecycle.closeReason !== undefined);
  expect(lifecycle.closeReason).toBe("SESSION_EXPIRED");
});

it("rechecks read many sessions in batches", async () => {
  using node = openNode();
  const joined = await Promise.all(Array.from({ length: 201 }, node.join));
  await node.otherNode.end(joined.at(-1)?.fingerprint ?? "", "LOGOUT");
  node.recheck.now();
  await until(() => joined.at(-1)?.lifecycle.closeReason === "SESSION_ENDED");
  expect(node.reads.map(({ length }) => length)).toEqual([100, 100, 1]);
});

it("10,000 access tokens that expire at once cause 100 sequential reads", async () => {
  using node = openNode();
  node.recheck.close();
  const joined = await Promise.all(Array.from({ length: 10_000 }, node.join));
  const [renewed, ...expired] = joined;
  node.clock.advance(1_000);
  await node.otherNode.renew(renewed?.tokens.renewalToken ?? "", device);
  node.clock.advance(lifetimes.access - 500);
  node.deadlines.tick(node.clock());
  await until(() => expired.every(({ lifecycle }) => lifecycle.closeReason === "SESSION_EXPIRED"));
  expect(renewed?.lifecycle.closeReason).toBeUndefined();
  expect(node.reads.map(({ length }) => length)).toEqual(Array.from({ length: 100 }, () => 100));
  expect(node.concurrentReads.most).toBe(1);
});

it("connections close retryably at once when their token expires while the store is unavailable", async () => {
  using node = openNode();
  node.recheck.close();
  const joined = await Promise.all(Array.from({ length: 201 }, node.join));
  node.store.goDown();
  node.clock.advance(lifetimes.access + 250);
  node.deadlines.tick(node.clock());
  await until(() => joined.every(({ lifecycle }) => lifecycle.closeReason === "TRY_AGAIN_LATER"));
  expect(node.faults).toEqual(["sessions could not be read"]);
});

it("a recheck requested during another runs after it", async () => {
  using node = openNode();
  const { fingerprint, lifecycle } = await node.join();
  node.recheck.now();
  node.recheck.now();
  node.recheck.now();
  await node.otherNode.end(fingerprint, "LOGOUT");
  await until(() => lifecycle.closeReason !== undefined);
  expect(node.reads.length).toBeLessThanOrEqual(2);
});

it("a failed recheck is retried at the next tick, not after the interval", async () => {
  using node = openNode();
  const { fingerprint, lifecycle } = await node.join();
  node.store.goDown();
  node.recheck.now();
  await until(() => node.faults.length === 1);
  node.store.comeBack();
  await node.otherNode.end(fingerprint, "LOGOUT");
  node.clock.advance(1);
  node.recheck.tick();
  await until(() => lifecycle.closeReason !== undefined);
  expect(lifecycle.closeReason).toBe("SESSION_ENDED");
});

it("connections stay open for the grace period while the store is unavailable, and then close retryably", async () => {
  using node = openNode();
  const { lifecycle } = await node.join();
  node.store.goDown();
  const fail = async (time: number) => {
    const before = node.faults.length;
    node.clock.advance(time);
    node.recheck.tick();
    await until(() => node.faults.length > before);
  };
  for (let time = interval; time < outageGrace; time += interval) await fail(interval);
  expect(lifecycle.closeReason).toBeUndefined();
  node.clock.advance(interval);
  node.recheck.tick();
  expect(lifecycle.closeReason).toBe("TRY_AGAIN_LATER");
});

it("no connection closes if the store is back within the grace period, and the next outage has its own", async () => {
  using node = openNode();
  const { lifecycle } = await node.join();
  for (let i = 0; i < 3; i += 1) {
    node.store.goDown();
    node.recheck.now();
    await until(() => node.faults.length === i + 1);
    node.clock.advance(outageGrace / 2);
    node.store.comeBack();
    const before = node.reads.length;
    node.recheck.now();
    await until(() => node.reads.length > before);
  }
  expect(lifecycle.closeReason).toBeUndefined();
});

/** One session that the store does not answer for, and two that it does, of which one ends without a message. */
async function startWithOneUnanswered() {
  const node = openNode();
  const [unansweredSession, ended, kept] = [
    await node.join(),
    await node.join(),
    await node.join(),
  ];
  node.unanswered.add(unansweredSession.fingerprint);
  /** Advances the clock, and waits until the reads that this causes are applied. */
  const advance = async (time: number) => {
    const before = node.reads.length;
    node.clock.advance(time);
    await until(() => (node.recheck.tick(), node.reads.length > before));
    await new Promise(setImmediate);
  };
  return { node, unansweredSession, ended, kept, advance };
}

it("while the store answers for some sessions only, these stay open, and the others close after the grace period", async () => {
  const { node, unansweredSession, ended, kept, advance } = await startWithOneUnanswered();
  using _ = node;
  for (let time = interval; time < outageGrace; time += interval) await advance(interval);
  expect(unansweredSession.lifecycle.closeReason).toBeUndefined();
  await node.otherNode.end(ended.fingerprint, "LOGOUT");
  await advance(interval);
  expect(unansweredSession.lifecycle.closeReason).toBe("TRY_AGAIN_LATER");
  await until(() => ended.lifecycle.closeReason === "SESSION_ENDED");
  for (let i = 0; i < 10; i += 1) {
    node.clock.advance(interval);
    node.recheck.tick();
  }
  expect(kept.lifecycle.closeReason).toBeUndefined();
});

it("between rechecks only the sessions without an answer are read again", async () => {
  const { node, unansweredSession, ended, kept, advance } = await startWithOneUnanswered();
  using _ = node;
  await advance(interval);
  const all = [unansweredSession, ended, kept].map(({ fingerprint }) => fingerprint);
  expect(node.reads).toEqual([all]);
  await until(async () => (await advance(1), node.reads.length > 3));
  expect(node.reads.slice(1)).toEqual(
    node.reads.slice(1).map(() => [unansweredSession.fingerprint]),
  );
  node.unanswered.clear();
  await node.otherNode.end(unansweredSession.fingerprint, "LOGOUT");
  await advance(1);
  await until(() => unansweredSession.lifecycle.closeReason === "SESSION_ENDED");
  const reads = node.reads.length;
  node.clock.advance(1);
  node.recheck.tick();
  expect(node.reads).toHaveLength(reads);
});

it("a session's next outage has its own grace period", async () => {
  const { node, unansweredSession, advance } = await startWithOneUnanswered();
  using _ = node;
  for (let i = 0; i < 2; i += 1) {
    node.unanswered.add(unansweredSession.fingerprint);
    await advance(interval);
    await advance(outageGrace - interval - 2);
    node.unanswered.clear();
    await advance(1);
  }
  expect(unansweredSession.lifecycle.closeReason).toBeUndefined();
});

it("a connection admitted during an outage is not closed for the time before it", async () => {
  const { node, unansweredSession, advance } = await startWithOneUnanswered();
  using _ = node;
  await advance(interval);
  await advance(outageGrace - interval - 1);
  const reading = node.sessions.verify(unansweredSession.tokens.accessToken);
  if (!reading.ok) throw new Error(reading.reason);
  const [lifecycle, { claims }] = [new ConnectionLifecycle(rethrowReported), reading];
  const connection = newConnection(lifecycle, device);
  await node.connections.admit({ claims, connection, kind: "stream" });
  node.clock.advance(1);
  node.recheck.tick();
  expect([lifecycle.closeReason, unansweredSession.lifecycle.closeReason]).toEqual([
    undefined,
    undefined,
  ]);
});

it("a recheck that outlasts its interval is reported, and the next one follows", async () => {
  using node = openNode();
  const { fingerprint, lifecycle } = await node.join();
  const gate = Promise.withResolvers<void>();
  node.delayAnswers(gate.promise);
  node.recheck.now();
  node.clock.advance(interval + 1);
  node.recheck.tick();
  expect(node.faults).toEqual([]);
  gate.resolve();
  await node.otherNode.end(fingerprint, "LOGOUT");
  await until(() => lifecycle.closeReason === "SESSION_ENDED");
  expect(node.faults).toEqual(["a recheck outlasts its interval"]);
});

it("the close of a session's last connection removes its subscription and its deadline", async () => {
  using node = openNode();
  const joined = [await node.join(), await node.join()];
  expect([node.pubsub.subscriptions, node.deadlines.size]).toEqual([2, 2]);
  for (const { lifecycle } of joined) lifecycle.end("CLIENT_GONE");
  await until(() => node.pubsub.subscriptions === 0);
  expect([node.deadlines.size, node.connections.size]).toEqual([0, 0]);
  expect(node.connections.fingerprints).toEqual([]);
});
