/** Two nodes on a Redis with Sentinels: the death of the master ends no session. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { ask, logout, register, renew, retryWhileUnavailable } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { masterName, RedisSentinels } from "../helpers/redis-sentinel.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";
import { expectSessionsToSurvive, failureSettings } from "./master-failure.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

let redis: RedisSentinels;
expectNothingUnhandled();

beforeAll(async () => {
  redis = await RedisSentinels.start();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const start = (options = {}) =>
  startNodes(
    { redisSentinels: redis.endpoints, redisSentinelName: masterName },
    { ...testApp().schema, ...options },
  );

const own = (url: string, token: string) => ask(url, "{ own }", { token });

it("with Sentinels, a session from one node can be used, renewed and ended on the other, and its sockets close", async () => {
  await using nodes = await start(rareRechecks);
  const { here, there } = nodes;
  const session = await register(here.url);
  const next = await renew(there.url, session.renewalToken);
  if (typeof next === "string") throw new Error(next);
  await using socket = await connect(here.socketUrl, next.accessToken);
  expect(await logout(there.url, next.accessToken)).toBe(1);
  expect(await socket.closed).toEqual(sessionEnded);
  for (const { url } of [here, there])
    expect((await own(url, next.accessToken)).errors?.[0]?.extensions).toMatchObject({
      reason: "ENDED",
    });
});

it("after a failover that lost a renewal, the newer token still renews", async () => {
  await using nodes = await start();
  const { here, there } = nodes;
  const session = await register(here.url);
  const [master, replicas] = [await redis.master(), await redis.replicas()];
  for (const replica of replicas) {
    await replica.untilInSyncWith(master);
    replica.freeze();
  }
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  const newer = await renew(here.url, session.renewalToken);
  if (typeof newer === "string") throw new Error(newer);
  await master.kill();
  for (const replica of replicas) replica.thaw();

  await redis.untilFailedOver(master);
  const isBack = async () => (await own(there.url, newer.accessToken)).errors === undefined;
  await until(isBack, "the replica to take over");
  const list = () => retryWhileUnavailable(() => there.sessions.list(session.userId));
  const stored = await list();
  expect(stored).toMatchObject([{ generation: 0 }]);
  const next = await retryWhileUnavailable(() => renew(there.url, newer.renewalToken));
  expect(next).toMatchObject({ sessionId: session.sessionId });
  expect(await list()).toMatchObject([{ generation: 2 }]);
  await master.restart();
  await redis.untilHealthy();
});

it("a Sentinel master that dies under load ends no session and revives no ended one", async () => {
  await using nodes = await start(failureSettings);
  const masterInSync = async () => {
    const master = await redis.master();
    for (const replica of await redis.replicas()) await replica.untilInSyncWith(master);
    return master;
  };
  await expectSessionsToSurvive({ nodes, sessionCount: 8, masterInSync });
});
