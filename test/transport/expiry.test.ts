/** Sockets close when their access token expires, unless the session is renewed. */
import { expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { testApp } from "../helpers/app.ts";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import { ask, register, renew } from "../helpers/http.ts";
import {
  breakable,
  intercept,
  withoutClose,
  memoryStore,
  memoryPubSub,
  memoryUsers,
} from "../helpers/backends.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const minute = 60_000;
/** How late a deadline may be met (ms). */
const resolution = 250;
const sessionExpired = { code: 4403, reason: "SESSION_EXPIRED" };

/** No recheck interferes: the clock does not advance that far. */
async function start(options: CurfewOptions = {}) {
  const clock = fakeClock();
  const hours = { recheckInterval: 60 * minute, outageGrace: 60 * minute };
  const curfew = await startCurfew({ accessTokenTtl: 10 * minute, ...hours, ...options, clock });
  return Object.assign(curfew, { clock });
}

it("a socket closes with a retryable code when its token expires", async () => {
  await using curfew = await start();
  const { accessToken, renewalToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  curfew.clock.advance(10 * minute + resolution);
  expect(await socket.closed).toEqual(sessionExpired);
  const next = await renew(curfew.url, renewalToken);
  if (typeof next === "string") throw new Error(next);
  await using again = await connect(curfew.socketUrl, next.accessToken);
  expect(again.ack.accessTokenExpiresAt).toBe(next.accessTokenExpiresAt);
});

it("an operation on an expired socket is not executed, even before the socket closes", async () => {
  const app = testApp();
  await using curfew = await start(app.schema);
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  curfew.clock.advance(10 * minute);
  socket.subscribe("1", `mutation { say(text: "late") }`);
  expect(await socket.closed).toEqual(sessionExpired);
  expect(app.calls).toEqual([]);
});

it.each([
  ["a socket stays open when its session is renewed in time on another node", true],
  ["a socket stays open although the message of a renewal on another node is lost", false],
])("%s", async (_, isHeard) => {
  let rereads = 0;
  const [users, pubsub] = [memoryUsers(), memoryPubSub()];
  const store = intercept(memoryStore(), {
    readMany:
      (real) =>
      (...args) => {
        rereads += 1;
        return real(...args);
      },
  });
  await using here = await start({ backends: { store, users, pubsub } });
  const { clock } = here;
  const parts = {
    store: withoutClose(store),
    users: withoutClose(users),
    ...(isHeard && { pubsub: withoutClose(pubsub) }),
  };
  await using there = await startCurfew({ accessTokenTtl: 10 * minute, clock, backends: parts });
  const { accessToken, renewalToken, sessionId } = await register(here.url);
  await using socket = await connect(here.socketUrl, accessToken);

  clock.advance(9 * minute);
  expect(await renew(there.url, renewalToken)).toMatchObject({ sessionId });
  clock.advance(9 * minute);
  // The first deadline has passed. If the message was lost, the renewal is read from the store.
  if (!isHeard) await until(() => rereads === 1);
  socket.subscribe("1", "{ viewer { session { id } } }");
  expect(await socket.messages.next()).toMatchObject({ type: "next" });
  clock.advance(minute + resolution);
  expect(await socket.closed).toEqual(sessionExpired);
});

it("a socket closes retryably at its deadline if the store cannot say whether the session was renewed", async () => {
  const store = breakable(memoryStore());
  await using curfew = await start({ backends: { store: store.part } });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  store.goDown();
  curfew.clock.advance(10 * minute + resolution);
  expect(await socket.closed).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
});

it("a renewal closes no socket, and a socket continues under its first token", async () => {
  await using curfew = await start(testApp().schema);
  const { accessToken, renewalToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "subscription { said }");
  await socket.messages.next();
  expect(await renew(curfew.url, renewalToken)).toMatchObject({ sessionId });
  await curfew.events.publish("said", "after the renewal");
  expect((await socket.messages.next()).payload.data).toEqual({ said: "after the renewal" });
  socket.subscribe("2", "{ own }");
  expect((await socket.messages.next()).payload.data).toEqual({ own: sessionId });
  // Over HTTP the same token is superseded.
  const { errors } = await ask(curfew.url, "{ own }", { token: accessToken });
  expect(errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "SUPERSEDED" });
});
