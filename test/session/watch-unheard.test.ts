import { expect, test, vi } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { lifetimes, network } from "../helpers/domain.ts";
import { newSession } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";
import { next, startWatchDomain } from "../helpers/watch.ts";

const first = { generation: 0, generationAtRead: 0, network };

test("events during a gap are detected after it", async () => {
  const { watch, login, store, pubsub, clock } = startWatchDomain();
  const ended = await login();
  clock.advance(1);
  const renewed = await login();
  const stream = await watch();
  const started = newSession("ada", clock.now);
  await store.create(started);
  await store.renew(renewed.session.fingerprint, first, lifetimes, clock.now);
  await store.end(ended.session.fingerprint, clock.now);
  for (const tell of pubsub.messagesMissedListeners) tell();
  expect([await next(stream), await next(stream), await next(stream)]).toMatchObject([
    { type: "RENEWED", session: { generation: 1 } },
    { type: "ENDED", reason: null, session: ended.session },
    { type: "STARTED", session: started },
  ]);
});

test("a list that fails is read again until it succeeds, and the failure is reported once", async () => {
  const { watch, login, sessions, store, pubsub, clock, reportedErrors, endRereadPauses } =
    startWatchDomain();
  const { session } = await login();
  const list = vi.fn((userId: string) => sessions.list(userId));
  const stream = await watch("ada", { list });
  await store.end(session.fingerprint, clock.now);
  list.mockRejectedValue(new StoreUnavailable("Down for a test"));
  for (const tell of pubsub.messagesMissedListeners) tell();
  const pauses: number[] = [];
  await until(() => {
    pauses.push(...endRereadPauses());
    return pauses.length === 6;
  }, "the pauses");
  expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000]);
  list.mockImplementation((userId) => sessions.list(userId));
  await until(() => endRereadPauses().length > 0 || list.mock.calls.length === 8, "the list");
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: null, session });
  expect(reportedErrors).toEqual(["watched sessions could not be read"]);
});

test("a session that the list lacks and the store still has is not reported as ended", async () => {
  const { watch, login, sessions, store, pubsub, clock } = startWatchDomain();
  const [lost, ended] = [await login(), await login()];
  const list = vi.fn((userId: string) => sessions.list(userId));
  const stream = await watch("ada", { list });
  list.mockImplementation(async (userId) => {
    const listed = await sessions.list(userId);
    return listed.filter(({ fingerprint }) => fingerprint !== lost.session.fingerprint);
  });
  await store.end(ended.session.fingerprint, clock.now);
  for (const tell of pubsub.messagesMissedListeners) tell();
  expect(await next(stream)).toMatchObject({ type: "ENDED", session: ended.session });
  await sessions.end(lost.session.fingerprint, "LOGOUT");
  expect(await next(stream)).toMatchObject({ reason: "LOGOUT", session: lost.session });
});

test("a session that the store cannot read is not reported as ended until the store knows it", async () => {
  const { watch, login, sessions, store, pubsub, clock, reportedErrors, endRereadPauses } =
    startWatchDomain();
  const [strange, other] = [await login(), await login()];
  const list = vi.fn((userId: string) => sessions.list(userId));
  const readMany = vi.fn((fingerprints: readonly string[]) => sessions.readMany(fingerprints));
  const stream = await watch("ada", { list, readMany });
  await store.end(strange.session.fingerprint, clock.now);
  await store.end(other.session.fingerprint, clock.now);
  readMany.mockImplementationOnce(async (fingerprints) =>
    fingerprints.map((one) =>
      one === strange.session.fingerprint
        ? { state: "unknown", cause: new StoreUnavailable("A later version's record") }
        : { state: "absent" },
    ),
  );
  for (const tell of pubsub.messagesMissedListeners) tell();
  expect(await next(stream)).toMatchObject({ type: "ENDED", session: other.session });
  await until(() => endRereadPauses().length > 0, "the pause");
  expect(await next(stream)).toMatchObject({ type: "ENDED", session: strange.session });
  expect(reportedErrors).toEqual(["watched sessions could not be read"]);
});

test("a watch that closes during an outage lists nothing again", async () => {
  const { watch, login, sessions, pubsub, reportedErrors, endRereadPauses } = startWatchDomain();
  await login();
  const list = vi.fn((userId: string) => sessions.list(userId));
  const stream = await watch("ada", { list });
  list.mockRejectedValue(new StoreUnavailable("Down for a test"));
  for (const tell of pubsub.messagesMissedListeners) tell();
  await until(() => reportedErrors.length > 0, "the failure");
  await stream.return();
  expect(endRereadPauses()).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve));
  expect(list).toHaveBeenCalledTimes(2);
  expect(endRereadPauses()).toEqual([]);
});

test("a gap while a watch opens reports no session as started", async () => {
  const { watches, login, sessions, pubsub } = startWatchDomain();
  const old = await login();
  const gate = Promise.withResolvers<void>();
  const list = vi.fn(async (userId: string) => {
    await gate.promise;
    return sessions.list(userId);
  });
  const opening = watches({ list }).watch("ada");
  await until(() => list.mock.calls.length === 1, "the list");
  for (const tell of pubsub.messagesMissedListeners) tell();
  gate.resolve();
  const stream = await opening;
  await until(() => list.mock.calls.length === 2, "the reread");
  await sessions.end(old.session.fingerprint, "LOGOUT");
  expect(await next(stream)).toMatchObject({ type: "ENDED" });
});

test("a session that ends during a listing is not reported as started", async () => {
  const { watch, login, sessions, pubsub } = startWatchDomain();
  const { session } = await login();
  const list = vi.fn((userId: string) => sessions.list(userId));
  const stream = await watch("ada", { list });
  list.mockImplementationOnce(async () => {
    await sessions.end(session.fingerprint, "LOGOUT");
    return [session];
  });
  for (const tell of pubsub.messagesMissedListeners) tell();
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: "LOGOUT" });
  for (let i = 0; i < 2; i++) {
    const { session: latest } = await login();
    expect(await next(stream)).toMatchObject({ type: "STARTED", session: latest });
  }
});

test("a session whose renewal message was lost is not reported as expired", async () => {
  const { watch, login, store, deadlines, clock } = startWatchDomain();
  const { session } = await login();
  const stream = await watch();
  clock.advance(lifetimes.renewal / 2);
  await store.renew(session.fingerprint, first, lifetimes, clock.now);
  clock.now = session.idleExpiresAt;
  deadlines.tick(clock.now + 250);
  expect(await next(stream)).toMatchObject({ type: "RENEWED", session: { generation: 1 } });
  expect(deadlines.size).toBe(1);
});

test("a session that ends while its expiry is checked is reported as ended once", async () => {
  const { watch, login, sessions, deadlines } = startWatchDomain();
  const { session } = await login();
  const list = vi.fn((userId: string) => sessions.list(userId));
  const stream = await watch("ada", { list });
  list.mockImplementationOnce(async () => {
    await sessions.end(session.fingerprint, "LOGOUT");
    return [];
  });
  deadlines.tick(session.idleExpiresAt + 250);
  expect(await next(stream)).toMatchObject({ type: "ENDED", reason: "LOGOUT" });
  for (let i = 0; i < 2; i++) {
    await login();
    expect(await next(stream)).toMatchObject({ type: "STARTED" });
  }
});
