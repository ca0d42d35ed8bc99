/** Two nodes on a Redis Cluster of which a part is lost: what that part had not, and the part itself. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import {
  ask,
  login,
  newEmail,
  register,
  retryWhileUnavailable,
  type SignedIn,
} from "../helpers/http.ts";
import { startNodes } from "../helpers/nodes.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

const tryAgainLater = { code: 1013, reason: "TRY_AGAIN_LATER" };

let cluster: RedisCluster;
expectNothingUnhandled();

beforeAll(async () => {
  cluster = await RedisCluster.start();
  for (const node of cluster.nodes)
    await node.command("CONFIG", "SET", "cluster-require-full-coverage", "no");
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

const start = (options = {}) =>
  startNodes({ redisClusterNodes: cluster.endpoints }, { ...testApp().schema, ...options });
const masterOf = async (key: string) => cluster.masterOf(await cluster.slotOf(key));
const masterOfSession = (id: string) => masterOf(`curfew:session:{${id}}`);

/** Makes sessions until one is of the wanted kind. */
async function find(make: () => Promise<SignedIn>, isWanted: (one: SignedIn) => Promise<boolean>) {
  for (;;) {
    const one = await make();
    if (await isWanted(one)) return one;
  }
}

it("a session that a failover lost from the list of its user is in it again from its next renewal, and found by who ends it", async () => {
  await using nodes = await start();
  const { here, there } = nodes;
  const email = newEmail();
  const first = await register(here.url, email);
  const master = await masterOf(`curfew:user:{${first.userId}}`);
  const replica = await cluster.replicaOf(master);
  await replica.untilInSyncWith(master);
  replica.freeze();
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  // Its record is on another master: only the entry in the list is not replicated.
  const lost = await find(
    () => login(here.url, email),
    async ({ sessionId }) => (await masterOfSession(sessionId)) !== master,
  );
  await master.kill();
  replica.thaw();
  await using _ = { [Symbol.asyncDispose]: () => master.restart() };
  await cluster.untilHealthy();
  const isListed = async () => {
    const listed = await retryWhileUnavailable(() => there.sessions.list(first.userId));
    return listed.some(({ fingerprint }) => fingerprint === lost.sessionId);
  };
  expect(await isListed()).toBe(false);

  const renewed = await retryWhileUnavailable(() => there.sessions.renew(lost.renewalToken));
  if (renewed.outcome === "refused") throw new Error(renewed.reason);
  expect(await isListed()).toBe(true);
  await retryWhileUnavailable(() =>
    here.sessions.endOthers(first.userId, first.sessionId, "PASSWORD_CHANGED"),
  );
  const next = await retryWhileUnavailable(() => there.sessions.renew(renewed.tokens.renewalToken));
  expect(next).toMatchObject({ outcome: "refused", reason: "ENDED" });
});

it("while one shard is away its sessions' sockets end after the grace, and all others stay", async () => {
  await cluster.untilHealthy();
  const outageGrace = 2_000;
  await using nodes = await start({ recheckInterval: 500, outageGrace });
  const { here } = nodes;
  const isOn = (node: RedisProcess) => async (one: SignedIn) =>
    (await masterOfSession(one.sessionId)) === node;
  const away = await register(here.url);
  const master = await masterOfSession(away.sessionId);
  const fresh = () => register(here.url);
  const stays = await find(fresh, async (one) => !(await isOn(master)(one)));
  const ends = await find(fresh, async (one) => !(await isOn(master)(one)));
  await using lost = await connect(here.socketUrl, away.accessToken);
  await using kept = await connect(here.socketUrl, stays.accessToken);
  await using left = await connect(here.socketUrl, ends.accessToken);

  const hasReplica = () =>
    cluster.replicaOf(master).then(
      () => true,
      () => false,
    );
  await until(hasReplica, "the replica");
  const replica = await cluster.replicaOf(master);
  const began = performance.now();
  await Promise.all([replica.kill(), master.kill()]);
  expect(await lost.closed).toEqual(tryAgainLater);
  expect(performance.now() - began).toBeGreaterThan(outageGrace - 500);
  // What ends unheard is found out meanwhile, as ever.
  const key = `curfew:session:{${ends.sessionId}}`;
  await (await masterOf(key)).command("DEL", key);
  expect(await left.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  kept.send({ type: "ping" });
  expect(await kept.messages.next()).toEqual({ type: "pong" });
  kept.subscribe("1", "{ own }");
  expect((await kept.messages.next()).payload.data).toEqual({ own: stays.sessionId });
  const { errors } = await ask(here.url, "{ own }", { token: away.accessToken });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
});
