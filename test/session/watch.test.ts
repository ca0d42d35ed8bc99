import { expect, test, vi } from "vitest";
import { sessionTopic, userTopic } from "../../src/session/messages.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { StreamOverflow } from "../../src/lib/bounded-queue.ts";
import { device, lifetimes } from "../helpers/domain.ts";
import { newSession } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";
import { next, startWatchDomain } from "../helpers/watch.ts";

test("a subscriber gets the start, renewal and end of its user's session on another node", async () => {
  const { watch, node, clock } = startWatchDomain();
  const stream = await watch();
  const elsewhere = node();

  const { session, tokens } = await elsewhere.start("ada", device);
  expect(await next(stream)).toEqual({ type: "STARTED", session, at: session.createdAt });

  clock.advance(1_000);
  await elsewhere.renew(tokens.renewalToken);
  expect(await next(stream)).toMatchObject({
    type: "RENEWED",
    session: { fingerprint: session.fingerprint, generation: 1 },
    at: clock.now,
  });

  clock.advance(1_000);
  await elsewhere.end(session.fingerprint, "LOGOUT");
  expect(await next(stream)).toMatchObject({
    type: "ENDED",
    session: { fingerprint: session.fingerprint },
    reason: "LOGOUT",
    at: clock.now,
  });
});

test("a subscriber gets events of sessions from before its subscription", async () => {
  const { watch, login, sessions } = startWatchDomain();
  const [one, two] = [await login(), await login()];
  const stream = await watch();
  await sessions.endOthers("ada", one.session.fingerprint, "PASSWORD_CHANGED");
  expect(await next(stream)).toMatchObject({
    type: "ENDED",
    session: { fingerprint: two.session.fingerprint },
    reason: "PASSWORD_CHANGED",
  });
});

test("a subscriber gets no events of other users' sessions", async () => {
  const { watch, login, sessions } = startWatchDomain();
  const stream = await watch();
  const { session } = await login("bob");
  await sessions.end(session.fingerprint, "LOGOUT");
  const own = await login();
  expect(await next(stream)).toMatchObject({ type: "STARTED", session: own.session });
});

test("an expiry is reported although no message announces it", async () => {
  const { watch, login, deadlines, clock } = startWatchDomain();
  const { session } = await login();
  const stream = await watch();
  clock.now = session.idleExpiresAt;
  deadlines.tick(clock.now + 250);
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: "EXPIRED", session });
});

test("a renewal postpones the reported expiry", async () => {
  const { watch, login, renew, deadlines, clock } = startWatchDomain();
  const { session, tokens } = await login();
  const stream = await watch();
  clock.advance(lifetimes.renewal / 2);
  const { session: renewed } = await renew(tokens.renewalToken);
  expect(await next(stream)).toMatchObject({ type: "RENEWED" });
  clock.now = session.idleExpiresAt;
  deadlines.tick(clock.now + 250);
  clock.now = renewed.idleExpiresAt;
  deadlines.tick(clock.now + 250);
  expect(await next(stream)).toMatchObject({ reason: "EXPIRED", session: { generation: 1 } });
  expect(deadlines.size).toBe(0);
});

test("an end is reported once, without an expiry after it", async () => {
  const { watch, login, sessions, deadlines, pubsub } = startWatchDomain();
  const { session } = await login();
  const stream = await watch();
  await sessions.end(session.fingerprint, "LOGOUT");
  expect(await next(stream)).toMatchObject({ reason: "LOGOUT" });
  expect(deadlines.size).toBe(0);
  expect(pubsub.subscribedTopics).toEqual([userTopic("ada")]);
});

test("a subscriber that leaves leaves no topic and no deadline behind", async () => {
  const { watch, login, pubsub, deadlines } = startWatchDomain();
  const { session } = await login();
  const stream = await watch();
  await login();
  expect(pubsub.subscribedTopics).toHaveLength(3);
  expect(pubsub.subscribedTopics).toContain(sessionTopic(session.fingerprint));
  expect(deadlines.size).toBe(2);
  await stream.return();
  expect([...pubsub.subscribedTopics, ...pubsub.messagesMissedListeners]).toEqual([]);
  expect(deadlines.size).toBe(0);
});

test("a subscriber that leaves while a session starts leaves nothing behind", async () => {
  const { watch, node, pubsub, deadlines } = startWatchDomain();
  const stream = await watch();
  const starting = node().start("ada", device);
  await next(stream);
  await stream.return();
  await starting;
  expect(pubsub.subscribedTopics).toEqual([]);
  expect(deadlines.size).toBe(0);
});

test("a reader more than 1,000 events behind gets an error, and leaves nothing behind", async () => {
  const { watch, login, pubsub, deadlines } = startWatchDomain();
  const stream = await watch();
  for (let i = 0; i <= 1_000; i++) await login();
  await expect(stream.next()).rejects.toThrow(StreamOverflow);
  expect(pubsub.subscribedTopics).toEqual([]);
  expect(deadlines.size).toBe(0);
});

test("a reader that overflows before its first read gets an error and leaves nothing behind", async () => {
  const { watch, login, pubsub, deadlines } = startWatchDomain();
  pubsub.onSubscribe = async (topic) => {
    if (topic === userTopic("ada")) for (let i = 0; i <= 1_000; i++) await login();
  };
  await expect((await watch()).next()).rejects.toThrow(StreamOverflow);
  expect(pubsub.subscribedTopics).toEqual([]);
  expect(deadlines.size).toBe(0);
});

test.each([
  ["the topic of the user", (topic: string) => topic === userTopic("ada")],
  ["the topic of one session", (topic: string) => topic !== userTopic("ada")],
])(
  "a watch that cannot subscribe to %s rejects and leaves nothing behind",
  async (_, refusesSubscribe) => {
    const { watch, login, pubsub, deadlines } = startWatchDomain();
    await login();
    await login();
    pubsub.refusesSubscribe = refusesSubscribe;
    await expect(watch()).rejects.toThrow(StoreUnavailable);
    expect(pubsub.subscribedTopics).toEqual([]);
    expect(deadlines.size).toBe(0);
  },
);

test("a watch that cannot list the sessions rejects and leaves nothing behind", async () => {
  const { watch, pubsub } = startWatchDomain();
  const list = async () => Promise.reject(new StoreUnavailable("No such luck"));
  await expect(watch("ada", { list })).rejects.toThrow(StoreUnavailable);
  expect([...pubsub.subscribedTopics, ...pubsub.messagesMissedListeners]).toEqual([]);
});

test("a new session whose topic cannot be subscribed is watched as soon as it can be", async () => {
  const { watch, login, sessions, pubsub, reportedErrors, endRereadPauses } = startWatchDomain();
  const stream = await watch();
  pubsub.refusesSubscribe = () => true;
  const { session } = await login();
  expect(await next(stream)).toMatchObject({ type: "STARTED", session });
  await until(() => reportedErrors.length > 0, "the failed reread");
  pubsub.refusesSubscribe = () => false;
  endRereadPauses();
  const topic = sessionTopic(session.fingerprint);
  await until(() => pubsub.subscribedTopics.includes(topic), "the subscription");
  await sessions.end(session.fingerprint, "LOGOUT");
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: "LOGOUT", session });
  expect(reportedErrors).toEqual(["watched sessions could not be read"]);
});

test("a session that ends before its topic is subscribed is reported as ended", async () => {
  const { watch, node, sessions, pubsub } = startWatchDomain();
  const stream = await watch();
  const gate = Promise.withResolvers<void>();
  const subscribe = pubsub.subscribe.bind(pubsub);
  pubsub.subscribe = async (...args) => {
    await gate.promise;
    return subscribe(...args);
  };
  const { session } = await node().start("ada", device);
  await sessions.end(session.fingerprint, "LOGOUT");
  gate.resolve();
  expect(await next(stream)).toMatchObject({ type: "STARTED", session });
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: null, session });
});

test("a started message that is not understood lists the sessions again", async () => {
  const { watch, store, pubsub, clock } = startWatchDomain();
  const stream = await watch();
  const session = newSession("ada", clock.now);
  await store.create(session);
  const later = { ...session, createdAt: new Date(session.createdAt).toISOString() };
  await pubsub.publish(userTopic("ada"), { type: "started", session: later });
  expect(await next(stream)).toEqual({ type: "STARTED", session, at: session.createdAt });
});

test.each([
  ["another shape of session", { type: "ended", session: { id: "one" }, reason: "LOGOUT" }],
  ["an unknown type", { type: "moved" }],
  ["an unknown reason", { type: "ended", reason: "BOREDOM" }],
])("a message with %s is no end, and lists the sessions again", async (_, message: object) => {
  const { watch, login, sessions, store, pubsub, clock } = startWatchDomain();
  const list = vi.fn((userId: string) => sessions.list(userId));
  const { session } = await login();
  const stream = await watch("ada", { list });
  const { fingerprint } = session;
  const publish = () =>
    pubsub.publish(sessionTopic(fingerprint), {
      session,
      ...message,
      fingerprint,
    });
  await publish();
  await until(() => list.mock.calls.length === 2, "the list");
  await store.end(fingerprint, clock.now);
  await publish();
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: null, session });
});

test("invalid messages and messages about another session are ignored", async () => {
  const { watch, login, pubsub, sessions } = startWatchDomain();
  const { session } = await login();
  const other = await login();
  const stream = await watch();
  const topic = sessionTopic(session.fingerprint);
  for (const odd of [null, "ended", {}, { type: "ended", session }])
    await pubsub.publish(topic, odd);
  const { fingerprint } = other.session;
  await pubsub.publish(topic, {
    type: "ended",
    fingerprint,
    session: other.session,
    reason: "LOGOUT",
  });
  for (const odd of [null, "started", {}, { type: "ended", session, reason: "LOGOUT" }])
    await pubsub.publish(userTopic("ada"), odd);
  await sessions.end(session.fingerprint, "ENDED_BY_USER");
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: "ENDED_BY_USER" });
});
