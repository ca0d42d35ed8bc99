/** Ends that nodes remember: a store that forgets an end brings no session back. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SessionStore } from "../../src/session/store.ts";
import { testApp } from "../helpers/app.ts";
import { intercept, memoryStore, memoryUsers, withoutClose } from "../helpers/backends.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

const recordOf = (id: string) => `curfew:session:{${id}}`;

async function reasonAt(url: string, token: string) {
  const { errors } = await ask(url, "{ own }", { token });
  return errors?.[0]?.extensions?.["reason"];
}

async function remembered(url: string) {
  return (await metricsOf(url)).values.get("curfew_ends_remembered") ?? NaN;
}

describe("a session whose record comes back after its end", () => {
  it("is refused by every node: requests, renewals, sockets and open connections", async () => {
    await using nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
    const { here, there } = nodes;
    const email = newEmail();
    const user = await register(here.url, email);
    const other = await login(here.url, email);
    const record = String(await redis.command("GET", recordOf(user.sessionId)));
    await using socket = await connect(there.socketUrl, user.accessToken);
    expect(await logout(here.url, user.accessToken)).toBe(1);
    expect(await socket.closed).toEqual(sessionEnded);
    await until(async () => (await remembered(there.url)) === 1, "the end");

    await redis.command("SET", recordOf(user.sessionId), record);

    for (const node of [here, there]) {
      expect(await reasonAt(node.url, user.accessToken)).toBe("ENDED");
      expect(await renew(node.url, user.renewalToken)).toBe("ENDED");
      await using again = await new TestSocket(node.socketUrl).opened();
      again.init({ token: user.accessToken });
      expect(await again.closed).toEqual(sessionEnded);
      const { data } = await ask(node.url, "{ viewer { sessions { id } } }", {
        token: other.accessToken,
      });
      expect(data.viewer.sessions).toEqual([{ id: other.sessionId }]);
    }
  });

  it("is refused by a node that started after the end", async () => {
    const users = memoryUsers();
    const start = () =>
      startCurfew({
        ...testApp().schema,
        ...rareRechecks,
        redisUrl: redis.url,
        backends: { users: withoutClose(users) },
      });
    await using first = await start();
    const { sessionId, accessToken } = await register(first.url);
    const record = String(await redis.command("GET", recordOf(sessionId)));
    await logout(first.url, accessToken);
    await using second = await start();
    await redis.command("SET", recordOf(sessionId), record);
    expect(await reasonAt(second.url, accessToken)).toBe("ENDED");
    await users.close();
  });
});

it("a node that missed the message of an end asks for it when its link is back", async () => {
  await using nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
  const { here, there } = nodes;
  const { sessionId, accessToken } = await register(here.url);
  const record = String(await redis.command("GET", recordOf(sessionId)));
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await logout(here.url, accessToken);
  await until(async () => (await remembered(there.url)) === 1, "the end");
  await redis.command("SET", recordOf(sessionId), record);
  expect(await reasonAt(there.url, accessToken)).toBe("ENDED");
});

it("a node remembers as many ends as its settings say, and its metrics show how many it forgot", async () => {
  await using nodes = await startNodes(redis, { ...testApp().schema, maxRememberedEnds: 2 });
  const { here, there } = nodes;
  for (let i = 0; i < 5; i += 1) {
    const { accessToken } = await register(here.url);
    await logout(here.url, accessToken);
  }
  const forgotten = async (url: string) =>
    (await metricsOf(url)).values.get("curfew_ends_forgotten_total");
  for (const { url } of [here, there]) {
    await until(async () => (await forgotten(url)) === 3, "the ends");
    expect(await remembered(url)).toBe(2);
  }
});

it("a store that has lost an end gets it again: audited, counted and published", async () => {
  const memory = memoryStore();
  const listeners: (() => void)[] = [];
  const store = intercept<SessionStore>(memory, {
    onReplaced: () => (listener) => {
      listeners.push(listener);
      return () => {};
    },
  });
  await using curfew = await startCurfew({
    ...testApp().schema,
    ...rareRechecks,
    backends: { store },
  });
  const { accessToken, sessionId, userId } = await register(curfew.url);
  const session = await memory.read(sessionId, Date.now());
  if (session === undefined) throw new Error("None");
  await logout(curfew.url, accessToken);
  await memory.create(session);
  for (const listener of listeners) listener();
  await until(async () => (await memory.read(sessionId, Date.now())) === undefined, "the end");
  const { values } = await metricsOf(curfew.url);
  expect(values.get("curfew_ends_replayed_total")).toBe(1);
  const facts = curfew.log.filter(({ event }) => event === "endReplayed");
  expect(facts).toMatchObject([{ level: 40, userId, fingerprint: sessionId, reason: "LOGOUT" }]);
});

describe("END_REPLICAS without a replica", () => {
  it("answers a logout with SERVICE_UNAVAILABLE after a second, with the session ended everywhere", async () => {
    await using nodes = await startNodes(redis, {
      ...testApp().schema,
      ...rareRechecks,
      endReplicas: 1,
    });
    const { here, there } = nodes;
    const { accessToken, sessionId } = await register(here.url);
    await using socket = await connect(there.socketUrl, accessToken);
    const elapsed = stopwatch();
    const answering = ask(here.url, "mutation { logout { endedSessions } }", {
      token: accessToken,
    });
    // Before the answer: the end does not wait for the replica.
    expect(await socket.closed).toEqual(sessionEnded);
    const { errors } = await answering;
    expect(elapsed()).toBeLessThan(2_500);
    expect(errors?.[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    for (const { url } of [here, there]) expect(await reasonAt(url, accessToken)).toBe("ENDED");
    expect(here.log).toContainEqual(
      expect.objectContaining({ event: "endUnknown", fingerprint: sessionId, level: 40 }),
    );
    const { values } = await metricsOf(here.url);
    const series = 'curfew_store_seconds_count{operation="end",outcome="unavailable"}';
    expect(values.get(series)).toBe(1);
  });
});
