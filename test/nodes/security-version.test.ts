/** Ends that the store lost: a lost list of a user's sessions, a record that an older copy brings back, end-everybody. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import type { SessionStore } from "../../src/session/store.ts";
import { intercept, memoryStore, memoryUsers, withoutClose } from "../helpers/backends.ts";
import { fakeClock, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import {
  ask,
  askData,
  login,
  newEmail,
  password,
  register,
  renew,
  tryLogin,
} from "../helpers/http.ts";
import { registerMany } from "../helpers/load.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { connect } from "../helpers/socket.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

const recordOf = (sessionId: string) => `curfew:session:{${sessionId}}`;
const listOf = (userId: string) => `curfew:user:{${userId}}`;

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** Whether a server still has the session. It may keep why it ended. */
async function hasSession(server: Pick<RedisServer, "command">, sessionId: string) {
  return String(await server.command("GET", recordOf(sessionId))).includes('"userId"');
}

async function changePassword({ url }: TestCurfew, token: string) {
  const query = `mutation { changePassword(currentPassword: "${password}", newPassword: "a whole new ${password}") {
    ... on PasswordChanged { endedSessions }
  } }`;
  return (await askData(url, query, { token })).changePassword.endedSessions as number;
}

/** The reason for which a field that reads the user is refused. */
async function userRefusal({ url }: TestCurfew, token: string) {
  const { errors } = await ask(url, "{ viewer { user { id } } }", { token });
  return errors?.[0]?.extensions;
}

/** Two sessions of one user, whose list Redis has evicted. */
async function startForgotten(options: CurfewOptions = {}) {
  const nodes = await startNodes(redis, { ...rareRechecks, ...options });
  const email = newEmail();
  const mine = await register(nodes.here.url, email);
  const forgotten = await login(nodes.there.url, email);
  await redis.command("DEL", listOf(mine.userId));
  return { nodes, mine, forgotten, [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose]() };
}

const acts = {
  "a changed password": ({ here }, mine) => changePassword(here, mine.accessToken),
  "a lock": async ({ here }, mine) => (await here.admin.lock(mine.userId)).endedSessions,
  "a lock that was lifted": async ({ here }, mine) => {
    const { endedSessions } = await here.admin.lock(mine.userId);
    await here.admin.unlock(mine.userId);
    return endedSessions;
  },
  "an operator's end of the user's sessions": ({ here }, mine) =>
    here.admin.endSessions(mine.userId),
} as const satisfies Record<
  string,
  (
    nodes: Awaited<ReturnType<typeof startNodes>>,
    mine: Awaited<ReturnType<typeof register>>,
  ) => Promise<number>
>;

describe.each(Object.keys(acts) as (keyof typeof acts)[])(
  "a session that Redis lost from its user's list, after %s",
  (act) => {
    it("is refused at its next renewal, which ends it and its sockets", async () => {
      await using started = await startForgotten();
      const { nodes, mine, forgotten } = started;
      await using socket = await connect(nodes.here.socketUrl, forgotten.accessToken);
      expect(await acts[act](nodes, mine)).toBe(0);
      expect(await hasSession(redis, forgotten.sessionId)).toBe(true);
      const refused = act === "a lock" ? "USER_GONE" : "ENDED";
      expect(await renew(nodes.there.url, forgotten.renewalToken)).toBe(refused);
      expect(await hasSession(redis, forgotten.sessionId)).toBe(false);
      expect(await socket.closed).toEqual(sessionEnded);
      expect(await renew(nodes.here.url, forgotten.renewalToken)).toBe("ENDED");
    });

    it("is refused where its user is read, which ends it and its sockets", async () => {
      await using started = await startForgotten();
      const { nodes, mine, forgotten } = started;
      await using socket = await connect(nodes.here.socketUrl, forgotten.accessToken);
      await acts[act](nodes, mine);
      expect(await userRefusal(nodes.there, forgotten.accessToken)).toMatchObject({
        code: "UNAUTHENTICATED",
        reason: "ENDED",
      });
      expect(await socket.closed).toEqual(sessionEnded);
      expect(await hasSession(redis, forgotten.sessionId)).toBe(false);
    });

    it("is accepted no longer than its access token lasts", async () => {
      const clock = fakeClock();
      await using started = await startForgotten({ clock, accessTokenTtl: 60_000 });
      const { nodes, mine, forgotten } = started;
      await acts[act](nodes, mine);
      const own = () =>
        ask(nodes.here.url, "{ viewer { session { id } } }", { token: forgotten.accessToken });
      expect((await own()).data.viewer).not.toBeNull();
      clock.advance(60_000);
      expect((await own()).data.viewer).toBeNull();
      expect(await renew(nodes.there.url, forgotten.renewalToken)).not.toHaveProperty("sessionId");
    });
  },
);

describe("the end of everybody's sessions", () => {
  it("on SQLite ends all sessions and their sockets, and lets users sign in again", async () => {
    await using curfew = await startCurfew(rareRechecks);
    const email = newEmail();
    const one = await register(curfew.url, email);
    const two = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, one.accessToken);
    expect(await curfew.admin.endEverybody()).toEqual({ versions: "raised", endedSessions: 2 });
    expect(await socket.closed).toEqual(sessionEnded);
    for (const { renewalToken } of [one, two])
      expect(await renew(curfew.url, renewalToken)).toBe("ENDED");
    const again = await login(curfew.url, email);
    expect(await renew(curfew.url, again.renewalToken)).toMatchObject({
      sessionId: again.sessionId,
    });
    expect(curfew.log.filter(({ event }) => event === "endEverybody")).toHaveLength(1);
  });

  it("removes records in Redis that this version does not understand", async () => {
    await using curfew = await startCurfew({ ...rareRechecks, redisUrl: redis.url });
    const { sessionId } = await register(curfew.url);
    const record = "curfew:session:{later}";
    await redis.command("SET", record, '{"fingerprint":"later","version":2}');
    await curfew.admin.endEverybody();
    for (const key of [record, `curfew:session:{${sessionId}}`])
      expect(String(await redis.command("GET", key))).toContain("ENDED_BY_OPERATOR");
  });

  it("refuses a login whose password was checked before, and a registration", async () => {
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let isHeld = false;
    let waiting = 0;
    const store = intercept<SessionStore>(memoryStore(), {
      create: (real) => async (session) => {
        if (isHeld) {
          waiting += 1;
          if (waiting === 2) reached.resolve();
          await gate.promise;
        }
        return real(session);
      },
    });
    await using curfew = await startCurfew({ backends: { store } });
    const email = newEmail();
    await register(curfew.url, email);
    isHeld = true;
    const loggingIn = tryLogin(curfew.url, email);
    const registering = ask(
      curfew.url,
      `mutation { register(email: "${newEmail()}", password: "${password}") { __typename } }`,
    );
    await reached.promise;
    expect(await curfew.admin.endEverybody()).toMatchObject({ endedSessions: 1 });
    gate.resolve();
    expect(await loggingIn).toBe("InvalidCredentials");
    const refusal = { code: "UNAUTHENTICATED", reason: "ENDED" };
    expect((await registering).errors).toMatchObject([{ extensions: refusal }]);
    for (const fingerprint of (await Array.fromAsync(store.scan?.() ?? [])).flat())
      expect(await store.read(fingerprint, Date.now())).toBeUndefined();
    expect(curfew.log.find(({ event }) => event === "loginRefused")).toMatchObject({
      reason: "OVERTAKEN",
    });
    isHeld = false;
    expect(await tryLogin(curfew.url, email)).toBe("SignedIn");
  });

  it("on a cluster ends sessions on every master, without any user's list, and for good", async () => {
    await using cluster = await RedisCluster.start();
    const users = memoryUsers();
    const start = () =>
      startCurfew({
        ...rareRechecks,
        redisClusterNodes: cluster.endpoints,
        backends: { users: withoutClose(users) },
      });
    const owner = async (key: string) => cluster.masterOf(await cluster.slotOf(key));
    const copies: { readonly master: RedisProcess; readonly key: string; readonly text: string }[] =
      [];
    let sessions: Awaited<ReturnType<typeof registerMany>>;
    {
      await using here = await start();
      await using there = await start();
      sessions = await registerMany(here.url, 24);
      for (const { sessionId, userId } of sessions) {
        await (await owner(listOf(userId))).command("DEL", listOf(userId));
        const key = recordOf(sessionId);
        const master = await owner(key);
        copies.push({ master, key, text: String(await master.command("GET", key)) });
      }
      expect(new Set(copies.map(({ master }) => master))).toHaveLength(3);
      await using socket = await connect(there.socketUrl, sessions[0]?.accessToken ?? "");

      expect(await here.admin.endEverybody()).toEqual({ versions: "raised", endedSessions: 24 });

      expect(await socket.closed).toEqual(sessionEnded);
      for (const { renewalToken } of sessions)
        expect(await renew(there.url, renewalToken)).toBe("ENDED");
      for (const [i, { master }] of copies.entries())
        expect(await hasSession(master, sessions[i]?.sessionId ?? "")).toBe(false);
    }
    // An older copy of the store brings the records back, and no node remembers the ends.
    await using later = await start();
    for (const { master, key, text } of copies) await master.command("SET", key, text);
    for (const [i, { master }] of copies.entries()) {
      const { renewalToken = "", sessionId = "" } = sessions[i] ?? {};
      expect(await renew(later.url, renewalToken)).toBe("ENDED");
      expect(await hasSession(master, sessionId)).toBe(false);
    }
  });
});

it("is not compared if the app decides which users are disabled", async () => {
  await using curfew = await startCurfew({ isUserDisabled: async () => false });
  const { userId, accessToken } = await register(curfew.url);
  await changePassword(curfew, accessToken);
  const { tokens } = await curfew.sessions.start(userId, { userAgent: null, ipAddress: null });
  expect(await userRefusal(curfew, tokens.accessToken)).toBeUndefined();
  expect(await renew(curfew.url, tokens.renewalToken)).toMatchObject({ userId });
});
