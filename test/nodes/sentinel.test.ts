/** Two nodes on a Redis with Sentinels: the death of the master ends no session. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { ask, askData, logout, register, renew, retryWhileUnavailable } from "../helpers/http.ts";
import { allCanRenew, startLoad, registerMany } from "../helpers/load.ts";
import { startNodes } from "../helpers/nodes.ts";
import { masterName, RedisSentinels } from "../helpers/redis-sentinel.ts";
import { connect } from "../helpers/socket.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
/** Longer than a failover: clients retry after it renewals that Redis executed before it. */
const renewalGrace = 120_000;
/** Rechecks are too rare to detect an end. */
const unchecked = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };

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
  await using nodes = await start(unchecked);
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
  const recheckInterval = 1000;
  await using nodes = await start({ recheckInterval, renewalGrace });
  const { here, there } = nodes;
  const sessions = await registerMany(here.url, 8);
  const ended = await registerMany(here.url, 3);
  const leaving = await register(here.url);
  for (const { accessToken } of ended) await logout(here.url, accessToken);
  await using staying = await connect(there.socketUrl, sessions[0]?.accessToken ?? "");
  await using socket = await connect(there.socketUrl, leaving.accessToken);
  const master = await redis.master();
  for (const replica of await redis.replicas()) await replica.untilInSyncWith(master);

  const load = startLoad([here.url, there.url], sessions);
  await until(() => load.counts.ok > 50, "the load");
  await master.kill();
  const end = async () => {
    const query = "mutation { logout { endedSessions } }";
    const { data, errors } = await ask(here.url, query, { token: leaving.accessToken });
    if (errors !== undefined)
      expect(errors[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    return data?.logout?.endedSessions === 1;
  };
  await until(end, "the logout");
  const elapsed = stopwatch();
  expect(await socket.closed).toEqual(sessionEnded);
  expect(elapsed()).toBeLessThan(recheckInterval + 2000);
  const { ok } = load.counts;
  await until(() => load.counts.ok > ok + 50 || load.unexpected.length > 0, "the load");

  const latest = await load.stop();
  expect(load.unexpected).toEqual([]);
  expect(load.counts.unavailable).toBeGreaterThan(0);
  expect(await allCanRenew(there.url, latest)).toBe(true);
  for (const { accessToken, renewalToken } of [...ended, leaving]) {
    // Each Sentinel reports the failover, and the node reconnects at each report: it may have no connection.
    const asked = retryWhileUnavailable(() =>
      askData(there.url, "{ own }", { token: accessToken }),
    );
    await expect(asked).rejects.toMatchObject({ errors: [{ extensions: { reason: "ENDED" } }] });
    expect(await retryWhileUnavailable(() => renew(here.url, renewalToken))).toBe("ENDED");
  }
  staying.send({ type: "ping" });
  await until(() => staying.messages.pending.some(({ type }) => type === "pong"));
});
