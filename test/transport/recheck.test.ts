/** What no message told of is found out: by rereading, by deadlines, and by giving up on a store that is gone. */
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
import { raiseFault } from "../helpers/domain.ts";
import { breakable, counted, intercept, memoryStore, memoryPubSub } from "../helpers/parts.ts";
import { device, lifetimes } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";

const interval = 5_000;
const outageGrace = 30_000;

const unknown = { state: "unknown", cause: new StoreUnavailable("Its shard is away") } as const;

/** A node without transports, whose clock and timer are the test's. */
function openNode() {
  const wall = fakeClock();
  const uptime = fakeClock(0);
  const advance = (time: number) => [wall, uptime].forEach((each) => each.advance(time));
  const clock = Object.assign(() => wall(), { advance });
  const reads: (readonly string[])[] = [];
  const away = new Set<string>();
  let gate = Promise.resolve();
  const atOnce = { now: 0, most: 0 };
  const store = breakable(
    intercept(memoryStore(), {
      readMany: (real) => async (fingerprints, now) => {
        reads.push(fingerprints);
        atOnce.most = Math.max(atOnce.most, (atOnce.now += 1));
        const found = await real(fingerprints, now);
        await gate;
        atOnce.now -= 1;
        return found.map((reading, i) => (away.has(fingerprints[i] ?? "") ? unknown : reading));
      },
    }),
  );
  const pubsub = counted(memoryPubSub());
  const deadlines = new Deadlines(clock(), raiseFault);
  const faults: string[] = [];
  const reportError = (what: string) => void faults.push(what);
  const ring = new KeyRing(secrets);
  const isUserDisabled = async () => false;
  const domain = {
    store: store.part,
    ring,
    lifetimes,
    isUserDisabled,
    clock,
    randomBytes,
    reportError,
  };
  const sessions = new Sessions({ ...domain, pubsub: pubsub.part });
  /** Ends and renews sessions without telling anybody. */
  const elsewhere = new Sessions({ ...domain, pubsub: memoryPubSub() });
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
    const lifecycle = new ConnectionLifecycle(raiseFault);
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
    /** As an operator or NTP does, while time goes on. */
    setClock: wall.advance,
    store,
    pubsub,
    deadlines,
    faults,
    reads,
    atOnce,
    /** Sessions of which the store says nothing. */
    away,
    /** Answers wait for it. */
    hold: (opening: Promise<void>) => void (gate = opening),
    elsewhere,
    connections,
    recheck,
    join,
    [Symbol.dispose]: () => {
      recheck.close();
      connections.close();
    },
  };
}

it("a session that ended unheard is found out by the next recheck, and no other is harmed", async () => {
  using node = openNode();
  const [ended, kept] = [await node.join(), await node.join()];
  await node.elsewhere.end(ended.fingerprint, "LOGOUT");
  node.clock.advance(interval - 1);
  node.recheck.tick();
  expect(node.reads).toEqual([]);
  node.clock.advance(1);
  node.recheck.tick();
  await until(() => ended.lifecycle.closeReason !== undefined);
  expect(ended.lifecycle.closeReason).toBe("ENDED");
  expect(kept.lifecycle.closeReason).toBeUndefined();
});

it("a clock that is set back puts off neither the recheck nor the end of an outage", async () => {
  using node = openNode();
  const [ended, kept] = [await node.join(), await node.join()];
  await node.elsewhere.end(ended.fingerprint, "LOGOUT");
  node.setClock(-3_600_000);
  node.clock.advance(interval);
  node.recheck.tick();
  await until(() => ended.lifecycle.closeReason !== undefined);
  expect(ended.lifecycle.closeReason).toBe("ENDED");

  node.store.goDown();
  node.clock.advance(interval);
  node.recheck.tick();
  await until(() => node.faults.length > 0);
  node.setClock(-3_600_000);
  node.clock.advance(outageGrace);
  node.recheck.tick();
  await until(() => kept.lifecycle.closeReason !== undefined);
  expect(kept.lifecycle.closeReason).toBe("UNAVAILABLE");
});

it("a renewal that was not heard of moves the deadline all the same", async () => {
  using node = openNode();
  const { lifecycle, tokens } = await node.join();
  node.clock.advance(lifetimes.access - 1_000);
  await node.elsewhere.renew(tokens.renewalToken, device);
  node.clock.advance(2_000);
  node.recheck.tick();
  await until(() => node.deadlines.size === 1 && node.reads.length > 0);
  expect(lifecycle.closeReason).toBeUndefined();
  node.clock.advance(lifetimes.access);
  node.recheck.tick();
  await until(() => lifecycle.closeReason !== undefined);
  expect(lifecycle.closeReason).toBe("EXPIRED");
});

it("many sessions are reread in batches", async () => {
  using node = openNode();
  const joined = await Promise.all(Array.from({ length: 201 }, node.join));
  await node.elsewhere.end(joined.at(-1)?.fingerprint ?? "", "LOGOUT");
  node.recheck.now();
  await until(() => joined.at(-1)?.lifecycle.closeReason === "SESSION_ENDED");
  expect(node.reads.map(({ length }) => length)).toEqual([100, 100, 1]);
});

it("10,000 access tokens that run out at once cost 100 reads, one after the other", async () => {
  using node = openNode();
  node.recheck.close();
  const joined = await Promise.all(Array.from({ length: 10_000 }, node.join));
  const [renewed, ...expired] = joined;
  node.clock.advance(1_000);
  await node.elsewhere.renew(renewed?.tokens.renewalToken ?? "", device);
  node.clock.advance(lifetimes.access - 500);
  node.deadlines.tick(node.clock());
  await until(() => expired.every(({ lifecycle }) => lifecycle.closeReason === "SESSION_EXPIRED"));
  expect(renewed?.lifecycle.closeReason).toBeUndefined();
  expect(node.reads.map(({ length }) => length)).toEqual(Array.from({ length: 100 }, () => 100));
  expect(node.atOnce.most).toBe(1);
});

it("tokens that run out while the store is gone end their connections retryably, at once", async () => {
  using node = openNode();
  node.recheck.close();
  const joined = await Promise.all(Array.from({ length: 201 }, node.join));
  node.store.goDown();
  node.clock.advance(lifetimes.access + 250);
  node.deadlines.tick(node.clock());
  await until(() => joined.every(({ lifecycle }) => lifecycle.closeReason === "TRY_AGAIN_LATER"));
  expect(node.faults).toEqual(["sessions could not be read"]);
});

it("a recheck asked for during another is made after it", async () => {
  using node = openNode();
  const { fingerprint, lifecycle } = await node.join();
  node.recheck.now();
  node.recheck.now();
  node.recheck.now();
  await node.elsewhere.end(fingerprint, "LOGOUT");
  await until(() => lifecycle.closeReason !== undefined);
  expect(node.reads.length).toBeLessThanOrEqual(2);
});

it("a recheck that failed is tried again at once, not at its next turn", async () => {
  using node = openNode();
  const { fingerprint, lifecycle } = await node.join();
  node.store.goDown();
  node.recheck.now();
  await until(() => node.faults.length === 1);
  node.store.comeBack();
  await node.elsewhere.end(fingerprint, "LOGOUT");
  node.clock.advance(1);
  node.recheck.tick();
  await until(() => lifecycle.closeReason !== undefined);
  expect(lifecycle.closeReason).toBe("ENDED");
});

it("while the store is gone connections live on for the grace, and then end retryably", async () => {
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
  expect(lifecycle.closeReason).toBe("UNAVAILABLE");
});

it("a store that comes back within the grace has cost nothing, and the next outage counts anew", async () => {
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

/** One session that the store does not answer for, and two that it does: one of these ends unheard. */
async function startWithOneAway() {
  const node = openNode();
  const [lost, ended, kept] = [await node.join(), await node.join(), await node.join()];
  node.away.add(lost.fingerprint);
  /** Until something was reread then, and it is known what came of it. */
  const pass = async (time: number) => {
    const before = node.reads.length;
    node.clock.advance(time);
    await until(() => (node.recheck.tick(), node.reads.length > before));
    await new Promise(setImmediate);
  };
  return { node, lost, ended, kept, pass };
}

it("while the store answers for some sessions alone, these are rechecked and live on, and the others end after the grace", async () => {
  const { node, lost, ended, kept, pass } = await startWithOneAway();
  using _ = node;
  for (let time = interval; time < outageGrace; time += interval) await pass(interval);
  expect(lost.lifecycle.closeReason).toBeUndefined();
  await node.elsewhere.end(ended.fingerprint, "LOGOUT");
  await pass(interval);
  expect(lost.lifecycle.closeReason).toBe("UNAVAILABLE");
  await until(() => ended.lifecycle.closeReason === "SESSION_ENDED");
  for (let i = 0; i < 10; i += 1) {
    node.clock.advance(interval);
    node.recheck.tick();
  }
  expect(kept.lifecycle.closeReason).toBeUndefined();
});

it("between rechecks those alone are asked for again that the store did not answer for", async () => {
  const { node, lost, ended, kept, pass } = await startWithOneAway();
  using _ = node;
  await pass(interval);
  const all = [lost, ended, kept].map(({ fingerprint }) => fingerprint);
  expect(node.reads).toEqual([all]);
  await until(async () => (await pass(1), node.reads.length > 3));
  expect(node.reads.slice(1)).toEqual(node.reads.slice(1).map(() => [lost.fingerprint]));
  node.away.clear();
  await node.elsewhere.end(lost.fingerprint, "LOGOUT");
  await pass(1);
  await until(() => lost.lifecycle.closeReason === "SESSION_ENDED");
  const reads = node.reads.length;
  node.clock.advance(1);
  node.recheck.tick();
  expect(node.reads).toHaveLength(reads);
});

it("a session that was away counts its next outage anew", async () => {
  const { node, lost, pass } = await startWithOneAway();
  using _ = node;
  for (let i = 0; i < 2; i += 1) {
    node.away.add(lost.fingerprint);
    await pass(interval);
    await pass(outageGrace - interval - 2);
    node.away.clear();
    await pass(1);
  }
  expect(lost.lifecycle.closeReason).toBeUndefined();
});

it("a connection that the store lets in outlives the outage before it", async () => {
  const { node, lost, pass } = await startWithOneAway();
  using _ = node;
  await pass(interval);
  await pass(outageGrace - interval - 1);
  const reading = node.sessions.verify(lost.tokens.accessToken);
  if (!reading.ok) throw new Error(reading.reason);
  const [lifecycle, { claims }] = [new ConnectionLifecycle(raiseFault), reading];
  const connection = newConnection(lifecycle, device);
  await node.connections.admit({ claims, connection, kind: "stream" });
  node.clock.advance(1);
  node.recheck.tick();
  expect([lifecycle.closeReason, lost.lifecycle.closeReason]).toEqual([undefined, undefined]);
});

it("a recheck that outlasts its interval is told of, and the next one follows", async () => {
  using node = openNode();
  const { fingerprint, lifecycle } = await node.join();
  const gate = Promise.withResolvers<void>();
  node.hold(gate.promise);
  node.recheck.now();
  node.clock.advance(interval + 1);
  node.recheck.tick();
  expect(node.faults).toEqual([]);
  gate.resolve();
  await node.elsewhere.end(fingerprint, "LOGOUT");
  await until(() => lifecycle.closeReason === "SESSION_ENDED");
  expect(node.faults).toEqual(["a recheck outlasts its interval"]);
});

it("the last connection of a session takes its topic and its deadline along", async () => {
  using node = openNode();
  const joined = [await node.join(), await node.join()];
  expect([node.pubsub.subscriptions, node.deadlines.size]).toEqual([2, 2]);
  for (const { lifecycle } of joined) lifecycle.end("CLIENT_GONE");
  await until(() => node.pubsub.subscriptions === 0);
  expect([node.deadlines.size, node.connections.size]).toEqual([0, 0]);
  expect(node.connections.fingerprints).toEqual([]);
});
