/** The actions of the scenarios in which the store loses or forgets an end that it acknowledged. */
import { setTimeout as pause } from "node:timers/promises";
import { ask, login, retryWhileUnavailable } from "../helpers/http.ts";
import { clientCount, demote, recordAt, startCopy } from "../helpers/redis-copy.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import type { RedisServer } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";
import {
  clusterOf,
  logOutVictims,
  logoutNode,
  otherNode,
  sentinelsOf,
  singleRedis,
  slotOf,
} from "./actions.ts";
import type { Client } from "./client.ts";
import type { ScenarioContext } from "./scenario.ts";

/** Ends the sessions while the replicas hear nothing of the master, and kills the master. */
async function loseEnds(
  context: ScenarioContext,
  { master, replicas, victims }: LostEnds,
  betweenEndAndLoss = async () => {},
): Promise<void> {
  for (const replica of replicas) await replica.untilInSyncWith(master);
  for (const replica of replicas) replica.freeze();
  // Without it, a frozen replica would read later what the master has sent. It cannot connect again.
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  await logOutVictims(context, logoutNode(context), victims);
  await betweenEndAndLoss();
  await master.kill();
  for (const replica of replicas) replica.thaw();
  for (const replica of replicas)
    for (const victim of victims) await expectForgotten(replica, victim);
}

interface LostEnds {
  readonly master: RedisProcess;
  readonly replicas: readonly RedisProcess[];
  readonly victims: readonly Client[];
}

/** A run in which the store has the end proves nothing. */
async function expectForgotten(server: Pick<RedisProcess, "port">, { session }: Client) {
  const state = await recordAt(server, session);
  if (state !== "session") throw new Error(`The store has not forgotten the end: ${state}`);
}

async function untilEndedAgain(server: Pick<RedisProcess, "port">, victims: readonly Client[]) {
  for (const { session } of victims)
    await until(
      async () => (await recordAt(server, session).catch(() => undefined)) === "ended",
      "the end to be replayed to the new master",
    );
}

/** Sentinels promote a replica that never received the ends. */
export async function failOverWithoutEnds(context: ScenarioContext): Promise<void> {
  const redis = sentinelsOf(context);
  const { victims } = context;
  const master = await redis.master();
  await loseEnds(context, { master, replicas: await redis.replicas(), victims });
  await untilEndedAgain(await redis.untilFailedOver(master), victims);
}

/** The same in a cluster, for the victims whose sessions are on one master. */
export async function failOverInClusterWithoutEnds(context: ScenarioContext): Promise<void> {
  const redis = clusterOf(context);
  const masters = await Promise.all(
    context.victims.map(async (victim) => redis.masterOf(await slotOf(redis, victim))),
  );
  const [master] = masters;
  if (master === undefined) throw new Error("No victims");
  const replica = await redis.replicaOf(master);
  const victims = context.victims.filter((_, i) => masters[i] === master);
  await logOutVictims(
    context,
    logoutNode(context),
    context.victims.filter((_, i) => masters[i] !== master),
  );
  await loseEnds(context, { master, replicas: [replica], victims });
  await untilEndedAgain(replica, victims);
}

async function roleOf(server: RedisProcess): Promise<string | undefined> {
  return (await server.info("replication")).get("role");
}

/** As with Sentinels; the other node is killed when it knows of the ends, and starts again without its memory. */
export async function failOverAndRestart(
  context: ScenarioContext,
  usesBound: number,
): Promise<void> {
  const redis = sentinelsOf(context);
  const { victims, trace } = context;
  const node = otherNode(context);
  const master = await redis.master();
  const replicas = await redis.replicas();
  await loseEnds(context, { master, replicas, victims }, () => node.kill());
  const forget = async () => {
    await until(async () => {
      // Sentinels close the connections to a server that they reconfigure.
      const roles = replicas.map((one) => roleOf(one).catch(() => undefined));
      return (await Promise.all(roles)).includes("master");
    }, "a new master");
    const now = trace.now();
    const sessions = victims.map(({ session }) => session);
    trace.record({ kind: "forgotten", sessions, until: now + usesBound, closesFrom: now });
  };
  await Promise.all([node.restart(), forget()]);
  await untilEndedAgain(await redis.untilFailedOver(master), victims);
}

/**
 * The address of Redis leads to another server from now on, whose data is of before the logout. The links that exist
 * stay on the old one.
 */
async function switchAddress(context: ScenarioContext): Promise<RedisServer> {
  const old = singleRedis(context);
  const copy = context.opened.use(await startCopy(old));
  for (const { proxy } of context.nodes) proxy.switchTo(copy.port);
  return copy;
}

/** Renewals while nodes use two servers would return two pairs for one token. */
async function withoutRenewals(context: ScenarioContext, act: () => Promise<void>) {
  const clients = [...context.others, ...context.victims];
  for (const client of clients) client.setRenewing(false);
  // Renewals that have begun are answered or timed out.
  await pause(200);
  await act();
  for (const client of clients) client.setRenewing(true);
}

/** One victim logs out before the links lead to two servers, and one while they do. */
export async function splitLinks(context: ScenarioContext, usesBound: number): Promise<void> {
  await withoutRenewals(context, async () => {
    const { victims, nodes, trace } = context;
    const old = singleRedis(context);
    const copy = await switchAddress(context);
    // The quiet one's sockets close by messages alone.
    const [quiet, ...first] = victims;
    if (quiet === undefined) throw new Error("No victims");
    await logOutVictims(context, logoutNode(context), first);
    await old.command("CLIENT", "KILL", "TYPE", "pubsub");
    const hasSubscribers = async () => (await clientCount(copy, "pubsub")) === nodes.length;
    await until(hasSubscribers, "the subscribers to connect to the other server");
    await logOutVictims(context, logoutNode(context), [quiet]);
    const now = trace.now();
    trace.record({
      kind: "forgotten",
      sessions: [quiet.session],
      until: now + usesBound,
      closesFrom: now,
    });
    await until(
      async () => (await clientCount(old, "normal")) === 0,
      "all links to leave the old server",
    );
    await untilEndedAgain(copy, victims);
  });
}

/** The first victim logs out at the old master, whose links stay when it is demoted, and the second one after that. */
export async function demoteMaster(context: ScenarioContext): Promise<void> {
  await withoutRenewals(context, async () => {
    const { victims } = context;
    const old = singleRedis(context);
    const copy = await switchAddress(context);
    const [first, ...last] = victims;
    if (first === undefined) throw new Error("No victims");
    await logOutVictims(context, logoutNode(context), [first]);
    await demote(old, copy);
    await expectForgotten(old, first);
    await until(
      async () => (await clientCount(old, "normal")) === 0,
      "the nodes to leave the demoted master",
    );
    await untilEndedAgain(copy, victims.slice(0, 1));
    await logOutVictims(context, logoutNode(context), last);
  });
}

/** Each user changes the password when Redis has evicted the list of the user's sessions. */
export async function evictAndChangePasswords(
  context: ScenarioContext,
  tokenLife: number,
): Promise<void> {
  const { victims, others, trace } = context;
  const node = logoutNode(context);
  const redis = singleRedis(context);
  // A client with new tokens that does not renew them is accepted for longest.
  const [patient] = victims;
  patient?.renewNext();
  await until(() => patient?.mustRenew === false, "a renewal");
  patient?.setRenewing(false);
  const change = async (victim: Client) => {
    const { email } = victim;
    const own = others.filter((client) => client.email === email);
    const signedIn = await retryWhileUnavailable(() => login(node.url, email));
    const { accessToken: token, userId } = signedIn;
    const newPassword = `a whole new ${victim.password}`;
    victim.stopLoggingIn();
    await redis.command("DEL", `curfew:user:{${userId}}`);
    const sessions = [victim, ...own].map(({ session }) => session);
    const done = sessions.map((session) =>
      trace.invoke({ name: "logout", session, node: node.name }),
    );
    const query = `mutation ($old: String!, $new: String!) {
      changePassword(currentPassword: $old, newPassword: $new) { ... on PasswordChanged { endedSessions } }
    }`;
    const variables = { old: victim.password, new: newPassword };
    const { data } = await ask(node.url, query, { token, variables });
    if (typeof data?.changePassword?.endedSessions !== "number")
      throw new Error("The password was not changed");
    for (const acknowledge of done) acknowledge({ kind: "ok" });
    const now = trace.now();
    trace.record({ kind: "forgotten", sessions, until: now + tokenLife, closesFrom: now });
    for (const client of own) client.password = newPassword;
  };
  await Promise.all(victims.map(change));
}

/** All nodes and Redis restart with data of before the logout; then an operator ends everybody's sessions. */
export async function restoreBackup(context: ScenarioContext): Promise<void> {
  const { victims, nodes, trace, admin } = context;
  const redis = singleRedis(context);
  await redis.command("SAVE");
  await logOutVictims(context);
  await until(() => victims.every(({ openConnections }) => openConnections === 0), "the closes");
  await Promise.all(nodes.map((node) => node.kill()));
  const from = trace.now();
  await redis.restart();
  for (const victim of victims) await expectForgotten(redis, victim);
  await Promise.all(nodes.map((node) => node.restart()));
  // The backup is in use: the sessions are live again until the operator acts.
  await pause(context.random.between(0, 500));
  const begun = trace.now();
  const { code, output, errors } = await admin("end-everybody");
  const done = trace.now();
  if (code !== 0) throw new Error(`end-everybody exited with ${code}: ${output}${errors}`);
  trace.entries.push({ kind: "everybodyEnded", at: begun, until: done });
  const sessions = victims.map(({ session }) => session);
  trace.entries.push({ kind: "forgotten", at: from, sessions, until: done, closesFrom: done });
}
