/** Many subscribers of one user share one watch: an event costs the same for one as for thousands. */
import { expect, test, vi } from "vitest";
import { userTopic } from "../../src/session/messages.ts";
import type { Session } from "../../src/session/session.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import type { Stream } from "../../src/lib/bounded-queue.ts";
import type { SessionEvent } from "../../src/session/watch.ts";
import { until } from "../helpers/until.ts";
import { next, startWatchDomain } from "../helpers/watch.ts";

/** Watches whose pauses the test ends, and whose listings are counted. */
function startPaced() {
  const pauses: (() => void)[] = [];
  const { sessions, watches, ...rest } = startWatchDomain();
  const list = vi.fn((userId: string) => sessions.list(userId));
  const shared = watches({ list, pause: (then) => void pauses.push(then) });
  const open = (count: number) =>
    Promise.all(Array.from({ length: count }, () => shared.watch("ada")));
  const endPause = () => pauses.splice(0).forEach((then) => then());
  return { ...rest, sessions, list, open, endPause, pauses };
}

/** Reads continuously and records the events. */
function reading(stream: Stream<SessionEvent>) {
  const events: SessionEvent[] = [];
  const done = (async () => {
    for await (const event of stream) events.push(event);
  })();
  done.catch(() => {});
  return events;
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("many subscribers of a user share one subscription per topic and one listing", async () => {
  const { open, login, pubsub, list } = startPaced();
  await login();
  const streams = await open(50);
  streams.push(...(await open(50)));
  expect(list).toHaveBeenCalledTimes(1);
  expect(pubsub.subscribedTopics.toSorted()).toEqual(
    [...new Set(pubsub.subscribedTopics)].toSorted(),
  );
  expect(pubsub.subscribedTopics).toHaveLength(2);
  expect(pubsub.messagesMissedListeners.size).toBe(1);
  for (const stream of streams.slice(1)) await stream.return();
  expect(pubsub.subscribedTopics).toHaveLength(2);
  await streams[0]?.return();
  expect([...pubsub.subscribedTopics, ...pubsub.messagesMissedListeners]).toEqual([]);
});

test("after a gap the sessions are listed once for all subscribers", async () => {
  const { open, login, list, pubsub, store, clock, endPause } = startPaced();
  const { session } = await login();
  const events = (await open(30)).map(reading);
  await store.end(session.fingerprint, clock.now);
  for (const tell of pubsub.messagesMissedListeners) tell();
  await settled();
  endPause();
  await settled();
  expect(list).toHaveBeenCalledTimes(2);
  for (const one of events) expect(one).toMatchObject([{ type: "ENDED", reason: null }]);
});

test("gaps and expiries during a listing share one further listing", async () => {
  const { open, login, list, pubsub } = startPaced();
  for (let i = 0; i < 5; i += 1) await login();
  await open(1);
  const gate = Promise.withResolvers<readonly Session[]>();
  list.mockImplementationOnce(() => gate.promise);
  for (let i = 0; i < 10; i += 1) for (const tell of pubsub.messagesMissedListeners) tell();
  gate.resolve([]);
  await settled();
  expect(list).toHaveBeenCalledTimes(3);
});

test("a subscriber that comes while the watch opens waits until it is open", async () => {
  const { open, login, pubsub, sessions } = startPaced();
  const { session } = await login();
  const gate = Promise.withResolvers<void>();
  pubsub.onSubscribe = async (topic) => {
    if (topic === userTopic("ada")) await gate.promise;
  };
  const first = open(1);
  await settled();
  let isOpen = false;
  const second = open(1).finally(() => (isOpen = true));
  await settled();
  expect(isOpen).toBe(false);
  gate.resolve();
  const [stream] = await second;
  await first;
  await sessions.end(session.fingerprint, "LOGOUT");
  expect(await (stream as Stream<SessionEvent>).next()).toMatchObject({ value: { type: "ENDED" } });
});

test("a thousand users after one gap are listed sixteen at a time, each once for a hundred subscribers", async () => {
  const { watches, login, sessions, pubsub } = startWatchDomain();
  const users = Array.from({ length: 1_000 }, (_, i) => `user ${i}`);
  for (const user of users) await login(user);
  const load = { now: 0, most: 0, lists: 0 };
  const list = async (userId: string) => {
    load.most = Math.max(load.most, (load.now += 1));
    await settled();
    const listed = await sessions.list(userId);
    load.now -= 1;
    load.lists += 1;
    return listed;
  };
  const shared = watches({ list });
  await Promise.all(users.map((user) => shared.watch(user)));
  await Promise.all(Array.from({ length: 99 }, () => shared.watch("user 0")));
  Object.assign(load, { most: 0, lists: 0 });
  for (const tell of pubsub.messagesMissedListeners) tell();
  await until(() => load.lists === 1_000 && load.now === 0, "the lists");
  await settled();
  expect(load).toEqual({ now: 0, most: 16, lists: 1_000 });
});

test("a watch that fails to open rejects all waiting subscribers and leaves nothing behind, and the next one opens", async () => {
  const { open, login, pubsub, deadlines } = startPaced();
  await login();
  const gate = Promise.withResolvers<void>();
  pubsub.onSubscribe = async () => {
    await gate.promise;
    throw new StoreUnavailable("No such luck");
  };
  const opened = Promise.allSettled([open(1), open(1), open(1)]);
  await settled();
  gate.resolve();
  for (const one of await opened) expect(one.status).toBe("rejected");
  expect(pubsub.messagesMissedListeners.size).toBe(0);
  expect(deadlines.size).toBe(0);
  pubsub.subscribedTopics.length = 0;
  pubsub.onSubscribe = async () => {};
  const [stream] = await open(1);
  expect(pubsub.subscribedTopics).toHaveLength(2);
  await stream?.return();
  expect(pubsub.subscribedTopics).toEqual([]);
});

test("a subscriber waits for the topic of a session that has just started", async () => {
  const { open, login, pubsub, sessions } = startPaced();
  await open(1);
  const gate = Promise.withResolvers<void>();
  pubsub.onSubscribe = () => gate.promise;
  const { session } = await login();
  await settled();
  let isOpen = false;
  const late = open(1).finally(() => (isOpen = true));
  await settled();
  expect(isOpen).toBe(false);
  gate.resolve();
  const [stream] = await late;
  await sessions.end(session.fingerprint, "LOGOUT");
  expect(await (stream as Stream<SessionEvent>).next()).toMatchObject({ value: { type: "ENDED" } });
});

test("a session whose topic could not be subscribed to is watched for the next subscriber", async () => {
  const { open, login, pubsub, sessions, reportedErrors } = startPaced();
  const [first] = await open(1);
  pubsub.refusesSubscribe = () => true;
  const { session } = await login();
  await settled();
  pubsub.refusesSubscribe = () => false;
  expect(reportedErrors).toEqual(["watched sessions could not be read"]);
  const [stream] = await open(1);
  await sessions.end(session.fingerprint, "LOGOUT");
  const read = [];
  do read.push((await (stream as Stream<SessionEvent>).next()).value);
  while (read.at(-1)?.type !== "ENDED");
  expect(read.at(-1)).toMatchObject({
    reason: "LOGOUT",
    session: { fingerprint: session.fingerprint },
  });
  await first?.return();
});

test("a subscriber gets no events from before its subscription", async () => {
  const { open, login, endPause } = startPaced();
  const [behind] = await open(1);
  await login();
  const [stream] = await open(1);
  const { session } = await login();
  expect(await next(stream as Stream<SessionEvent>)).toMatchObject({ type: "STARTED", session });
  endPause();
  expect(await next(behind as Stream<SessionEvent>)).toMatchObject({ type: "STARTED" });
});

test("of several unread renewals of one session only the latest is delivered, in order with other events", async () => {
  const { open, login, renew, sessions, endPause } = startPaced();
  const kept = await login();
  const [stream] = await open(1);
  let { tokens } = kept;
  for (let i = 0; i < 500; i += 1) ({ tokens } = await renew(tokens.renewalToken));
  const ended = await login();
  for (let i = 0; i < 2_500; i += 1) ({ tokens } = await renew(tokens.renewalToken));
  await sessions.end(ended.session.fingerprint, "LOGOUT");
  const read: (SessionEvent | undefined)[] = [];
  for (let i = 0; i < 3; i += 1) {
    read.push(await next(stream as Stream<SessionEvent>));
    endPause();
  }
  expect(read).toMatchObject([
    { type: "STARTED", session: ended.session },
    { type: "RENEWED", session: { fingerprint: kept.session.fingerprint, generation: 3_000 } },
    { type: "ENDED", session: { fingerprint: ended.session.fingerprint }, reason: "LOGOUT" },
  ]);
});

test("events reach many subscribers in batches, and a renewal in between is delivered with them", async () => {
  const { open, login, renew, endPause, pauses } = startPaced();
  const { tokens } = await login();
  const events = (await open(100)).map(reading);
  const counts = () => events.filter(({ length }) => length > 0).length;
  const first = await renew(tokens.renewalToken);
  await settled();
  const slice = counts();
  expect(slice).toBeGreaterThan(0);
  expect(slice).toBeLessThanOrEqual(20);
  expect(pauses).toHaveLength(1);
  // No pause ends, so nothing is delivered however often the session is renewed.
  let { tokens: latest } = first;
  for (let i = 0; i < 50; i += 1) ({ tokens: latest } = await renew(latest.renewalToken));
  await settled();
  expect(counts()).toBe(slice);
  for (let i = 0; i < 20; i += 1) {
    endPause();
    await settled();
  }
  const last = { type: "RENEWED", session: { generation: 51 } };
  for (const one of events) expect(one.at(-1)).toMatchObject(last);
  const delivered = events.reduce((sum, one) => sum + one.length, 0);
  expect(delivered).toBe(100 + slice);
});

test("a subscriber that reads nothing delays no other, and gets an overflow error later", async () => {
  const { open, login, endPause } = startPaced();
  const [stalled, other] = await open(2);
  const events = reading(other as Stream<SessionEvent>);
  for (let i = 0; i <= 1_000; i += 1) {
    await login();
    endPause();
  }
  await settled();
  endPause();
  await settled();
  expect(events).toHaveLength(1_001);
  await expect(stalled?.next()).rejects.toThrow("unread");
});

test("subscribers that leave with unread events leave nothing behind", async () => {
  const { open, login, pubsub, deadlines, endPause } = startPaced();
  const streams = await open(60);
  const events = streams.map(reading);
  await login();
  await settled();
  for (const stream of streams) await stream.return();
  expect(pubsub.subscribedTopics).toEqual([]);
  expect(deadlines.size).toBe(0);
  endPause();
  await settled();
  expect(events.flat()).toHaveLength(20);
});
