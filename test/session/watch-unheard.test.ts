import { expect, test, vi } from "vitest";
import { lifetimes, network } from "../helpers/domain.ts";
import { newSession } from "../helpers/sessions.ts";
import { next, startWatchDomain } from "../helpers/watch.ts";

const first = { generation: 0, generationAtRead: 0, network };

test("what happened in a gap is found out after it", async () => {
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

test("a session that ends while the list is read again does not start again", async () => {
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

test("a session whose renewal nobody told of is not taken for expired", async () => {
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

test("a session that ends while its expiry is looked into has ended once", async () => {
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
