/** Two nodes on one Redis: every change on one node takes effect on both. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { sessionTopic } from "../../src/session/messages.ts";
import { testApp } from "../helpers/app.ts";
import { fakeClock } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, register, renew, type SignedIn } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { channelsOf, startRedis, type RedisServer } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { openStream } from "../helpers/sse.ts";
import { connect, watchSessions } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

async function reasonAt(url: string, token: string) {
  const { errors } = await ask(url, "{ own }", { token });
  return errors?.[0]?.extensions?.["reason"];
}

it("logout on one node closes the session's sockets and streams on the other, and no other session's connections", async () => {
  await using nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
  const { here, there } = nodes;
  const email = newEmail();
  const mine = await register(here.url, email);
  const tablet = await login(there.url, email);
  const otherUser = await register(there.url);
  await using socket = await connect(there.socketUrl, mine.accessToken);
  const token = mine.accessToken;
  await using stream = await openStream(there.url, "subscription { said }", { token });
  expect((await stream.events.next()).data).toEqual({ data: { said: "ready" } });
  await using tabletSocket = await connect(there.socketUrl, tablet.accessToken);
  await using otherUserSocket = await connect(there.socketUrl, otherUser.accessToken);
  for (const one of [tabletSocket, otherUserSocket]) {
    one.subscribe("1", "subscription { said }");
    expect((await one.messages.next()).payload.data).toEqual({ said: "ready" });
  }

  expect(await logout(here.url, token)).toBe(1);

  expect(await reasonAt(here.url, token)).toBe("ENDED");
  expect(await reasonAt(there.url, token)).toBe("ENDED");
  expect(await socket.closed).toEqual(sessionEnded);
  expect((await stream.events.next()).data.errors[0].extensions.reason).toBe("ENDED");
  expect((await stream.events.next()).event).toBe("complete");
  await here.events.publish("said", "across nodes");
  for (const one of [tabletSocket, otherUserSocket])
    expect((await one.messages.next()).payload.data).toEqual({ said: "across nodes" });
});

it("fifty concurrent renewals of one token on both nodes rotate it once and return the same pair", async () => {
  await using nodes = await startNodes(redis, testApp().schema);
  const { here, there } = nodes;
  const { renewalToken, sessionId, userId } = await register(here.url);
  const pairs = await Promise.all(
    Array.from({ length: 50 }, (_, i) => renew(i % 2 ? here.url : there.url, renewalToken)),
  );
  expect(new Set(pairs.map((pair) => JSON.stringify(pair))).size).toBe(1);
  const { accessToken } = pairs[0] as SignedIn;
  for (const { url } of [here, there])
    expect((await ask(url, "{ own }", { token: accessToken })).data).toEqual({ own: sessionId });
  expect(await here.sessions.list(userId)).toMatchObject([{ generation: 1 }]);
});

it("after a concurrent renewal on one node and logout on the other, no token is accepted", async () => {
  await using nodes = await startNodes(redis);
  const { userId } = await register(nodes.here.url);
  for (let i = 0; i < 30; i += 1) {
    const [one, two] = i % 2 ? [nodes.here, nodes.there] : [nodes.there, nodes.here];
    const { tokens, session } = await one.sessions.start(userId, device);
    const [renewal, ended] = await Promise.all([
      one.sessions.renew(tokens.renewalToken),
      two.sessions.end(session.fingerprint, "LOGOUT"),
    ]);
    expect(ended).toBe(1);
    const pairs = renewal.outcome === "renewed" ? [tokens, renewal.tokens] : [tokens];
    for (const { sessions } of [one, two])
      for (const { accessToken, renewalToken } of pairs) {
        const refused = { reason: "ENDED" };
        expect(await sessions.authenticate(accessToken)).toMatchObject(refused);
        expect(await sessions.renew(renewalToken)).toMatchObject(refused);
      }
    expect(await one.sessions.list(userId)).not.toContainEqual(
      expect.objectContaining({ fingerprint: session.fingerprint }),
    );
  }
});

it("concurrent logins on both nodes leave as many sessions as maxSessionsPerUser allows", async () => {
  await using nodes = await startNodes(redis, { maxSessionsPerUser: 3 });
  const { here, there } = nodes;
  const { userId } = await register(here.url);
  const logins = Array.from({ length: 40 }, (_, i) =>
    (i % 2 ? here : there).sessions.start(userId, device),
  );
  await Promise.all(logins);
  expect(await here.sessions.list(userId)).toHaveLength(3);
});

it("reuse of a renewal token on one node closes the session's sockets on the other", async () => {
  const clock = fakeClock();
  await using nodes = await startNodes(redis, { ...rareRechecks, clock });
  const { here, there } = nodes;
  const { renewalToken } = await register(here.url);
  const next = await renew(here.url, renewalToken);
  if (typeof next === "string") throw new Error(next);
  await using socket = await connect(there.socketUrl, next.accessToken);
  expect(await renew(there.url, renewalToken)).toEqual(next);
  clock.advance(20_000);
  expect(await renew(here.url, renewalToken)).toBe("REUSED");
  expect(await socket.closed).toEqual(sessionEnded);
  expect(await renew(there.url, next.renewalToken)).toBe("ENDED");
});

it("sessionEvents on one node reports starts, renewals and ends on the other", async () => {
  await using nodes = await startNodes(redis);
  const { here, there } = nodes;
  const email = newEmail();
  const watcher = await register(there.url, email);
  await using socket = await connect(there.socketUrl, watcher.accessToken);
  const { of: nextEventOf } = await watchSessions(socket, () =>
    here.sessions.start(watcher.userId, device),
  );

  const phone = await login(here.url, email);
  const id = phone.sessionId;
  expect(await nextEventOf(id)).toEqual({ type: "STARTED", endReason: null });
  const topic = sessionTopic(id);
  await until(async () => String(await redis.command("PUBSUB", "NUMSUB", topic)) === `${topic},1`);
  await renew(here.url, phone.renewalToken);
  expect(await nextEventOf(id)).toEqual({ type: "RENEWED", endReason: null });
  await logout(here.url, phone.accessToken);
  expect(await nextEventOf(id)).toEqual({ type: "ENDED", endReason: "LOGOUT" });
});

it("five hundred closed sockets leave no topic and no connection behind", async () => {
  await using nodes = await startNodes(redis, testApp().schema);
  const { here } = nodes;
  const openAndClose = async (_: unknown, i: number) => {
    const { tokens } = await here.sessions.start(`user ${i % 7}`, device);
    await using socket = await connect(here.socketUrl, tokens.accessToken);
    socket.subscribe("1", "subscription { said }");
    if (i % 3 === 0) await socket.messages.next();
    if (i % 2 === 0) socket.ws.close();
    else socket.ws.terminate();
    await socket.closed;
  };
  for (let i = 0; i < 10; i += 1) await Promise.all(Array.from({ length: 50 }, openAndClose));
  await until(() => here.connections.size === 0);
  await until(async () => (await channelsOf(redis)).length === 0);
  expect(here.connections.fingerprints).toEqual([]);
});
