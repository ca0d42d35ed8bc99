/** Two nodes on a Redis Cluster that loses a write in a failover, or a whole shard. */
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

/** Creates sessions until one matches. */
async function find(create: () => Promise<SignedIn>, matches: (one: SignedIn) => Promise<boolean>) {
  for (;;) {
    const one = await create();
    if (await matches(one)) return one;
  }
}

it("a session that a failover removed from its user's list is listed again after its next renewal, and ends with the others", async () => {
  await using nodes = await start();
  const { here, there } = nodes;
  const email = newEmail();
  const first = await register(here.url, email);
  const master = await masterOf(`curfew:user:{${first.userId}}`);
  const replica = await cluster.replicaOf(master);
  await replica.untilInSyncWith(master);
  replica.freeze();
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  // The session's record is on another master: only its entry in the user's list is lost.
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

it("while one shard is down, its sessions' sockets close after OUTAGE_GRACE and all others stay open", async () => {
  await cluster.untilHealthy();
  const outageGrace = 2_000;
  await using nodes = await start({ recheckInterval: 500, outageGrace });
  const { here } = nodes;
  const isOn = (node: RedisProcess) => async (one: SignedIn) =>
    (await masterOfSession(one.sessionId)) === node;
  const onLostShard = await register(here.url);
  const master = await masterOfSession(onLostShard.sessionId);
  const fresh = () => register(here.url);
  const staying = await find(fresh, async (one) => !(await isOn(master)(one)));
  const ending = await find(fresh, async (one) => !(await isOn(master)(one)));
  await using lostSocket = await connect(here.socketUrl, onLostShard.accessToken);
  await using stayingSocket = await connect(here.socketUrl, staying.accessToken);
  await using endingSocket = await connect(here.socketUrl, ending.accessToken);

  const hasReplica = () =>
    cluster.replicaOf(master).then(
      () => true,
      () => false,
    );
  await until(hasReplica, "the replica");
  const replica = await cluster.replicaOf(master);
  const began = performance.now();
  await Promise.all([replica.kill(), master.kill()]);
  expect(await lostSocket.closed).toEqual(tryAgainLater);
  expect(performance.now() - began).toBeGreaterThan(outageGrace - 500);
  // Meanwhile rechecks still detect a session that ends without a message.
  const key = `curfew:session:{${ending.sessionId}}`;
  await (await masterOf(key)).command("DEL", key);
  expect(await endingSocket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  stayingSocket.send({ type: "ping" });
  expect(await stayingSocket.messages.next()).toEqual({ type: "pong" });
  stayingSocket.subscribe("1", "{ own }");
  expect((await stayingSocket.messages.next()).payload.data).toEqual({ own: staying.sessionId });
  const { errors } = await ask(here.url, "{ own }", { token: onLostShard.accessToken });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
});
