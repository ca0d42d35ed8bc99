/** Two nodes on a Redis Cluster: failovers and moving slots under load end no session. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { ask, logout, register, renew, retryWhileUnavailable } from "../helpers/http.ts";
import { allCanRenew, startLoad, registerMany } from "../helpers/load.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";
import { expectSessionsToSurvive, failureSettings } from "./master-failure.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

let cluster: RedisCluster;
expectNothingUnhandled();

beforeAll(async () => {
  cluster = await RedisCluster.start();
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

const start = (options = {}) =>
  startNodes({ redisClusterNodes: cluster.endpoints }, { ...testApp().schema, ...options });

const slotOf = (sessionId: string) => cluster.slotOf(`curfew:session:{${sessionId}}`);
const masterOf = async (sessionId: string) => cluster.masterOf(await slotOf(sessionId));
const own = (url: string, token: string) => ask(url, "{ own }", { token });

it("on a Redis Cluster, a session from one node can be used, renewed and ended on the other, and its sockets close", async () => {
  await using nodes = await start(rareRechecks);
  const { here, there } = nodes;
  for (const session of await registerMany(here.url, 6)) {
    const next = await renew(there.url, session.renewalToken);
    if (typeof next === "string") throw new Error(next);
    await using socket = await connect(here.socketUrl, next.accessToken);
    expect(await logout(there.url, next.accessToken)).toBe(1);
    expect(await socket.closed).toEqual(sessionEnded);
    for (const { url } of [here, there])
      expect((await own(url, next.accessToken)).errors?.[0]?.extensions).toMatchObject({
        reason: "ENDED",
      });
  }
});

it("moving slots under load loses no session", async () => {
  await using nodes = await start();
  const urls = [nodes.here.url, nodes.there.url];
  const sessions = await registerMany(nodes.here.url, 12);
  const load = startLoad(urls, sessions);
  const loadContinues = async () => {
    const { ok } = load.counts;
    await until(() => load.counts.ok > ok + 24 || load.unexpected.length > 0, "the load");
  };
  for (const { sessionId } of sessions.slice(0, 6)) {
    const slot = await slotOf(sessionId);
    const source = await cluster.masterOf(slot);
    const target = cluster.nodes.slice(0, 3).find((node) => node !== source);
    if (target === undefined) throw new Error("No other master");
    await cluster.beginMove(slot, source, target);
    await loadContinues();
    await cluster.moveKeys(slot, source, target);
    await loadContinues();
    await cluster.endMove(slot, source, target);
    await until(async () => (await masterOf(sessionId)) === target, "the nodes to learn of it");
  }
  await loadContinues();
  const latest = await load.stop();
  expect(load.unexpected).toEqual([]);
  expect(await allCanRenew(nodes.there.url, latest)).toBe(true);
});

it("a cluster master that dies under load ends no session and revives no ended one", async () => {
  await using nodes = await start(failureSettings);
  const masterInSync = async (sessionId: string) => {
    for (const one of cluster.nodes.slice(0, 3))
      await (await cluster.replicaOf(one)).untilInSyncWith(one);
    return masterOf(sessionId);
  };
  const recovered = () => cluster.untilHealthy();
  await expectSessionsToSurvive({ nodes, sessionCount: 12, masterInSync, recovered });
});

it("after a failover that lost a renewal, the newer token still renews", async () => {
  await using nodes = await start();
  const { here, there } = nodes;
  // Needs a master that has a replica: after the previous test one master has none.
  let session = await register(here.url);
  const hasReplica = async () => {
    const master = await masterOf(session.sessionId);
    const replica = await cluster.replicaOf(master).catch(() => undefined);
    if (replica === undefined) session = await register(here.url);
    return replica !== undefined;
  };
  await until(hasReplica, "a replicated session");
  const master = await masterOf(session.sessionId);
  const replica = await cluster.replicaOf(master);
  await replica.untilInSyncWith(master);
  replica.freeze();
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  const newer = await renew(here.url, session.renewalToken);
  if (typeof newer === "string") throw new Error(newer);
  await master.kill();
  replica.thaw();

  const isBack = async () => (await own(there.url, newer.accessToken)).errors === undefined;
  await until(isBack, "the replica to take over");
  await until(
    async () => (await masterOf(session.sessionId)) === replica,
    "the nodes to learn of it",
  );
  await cluster.untilHealthy();
  const list = () => retryWhileUnavailable(() => there.sessions.list(session.userId));
  const stored = await list();
  expect(stored).toMatchObject([{ generation: 0 }]);
  const next = await retryWhileUnavailable(() => renew(there.url, newer.renewalToken));
  expect(next).toMatchObject({ sessionId: session.sessionId });
  expect(await list()).toMatchObject([{ generation: 2 }]);
});
