/** An upgrade node by node: a server of the previous version and one of this version on one Redis. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sessionTopic } from "../../src/session/messages.ts";
import { startServer, type Env, type ServerProcess } from "../helpers/command.ts";
import {
  askData,
  login,
  logout,
  newEmail,
  password,
  register,
  renew,
  tryLogin,
  type SignedIn,
} from "../helpers/http.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { previousVersionMissing, unpackPreviousVersion } from "../helpers/previous-version.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { connect, watchSessions, type TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const missing = previousVersionMissing();
const title = "a node of the previous version beside a node of this version";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
const sessionExpired = { code: 4403, reason: "SESSION_EXPIRED" };

/** The node that acts, and the other one. */
const orders = [
  ["the previous version", "this version"],
  ["this version", "the previous version"],
] as const;

type Version = (typeof orders)[number][0];

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let redis: RedisServer;
  let postgres: PostgresServer;
  let previous: Awaited<ReturnType<typeof unpackPreviousVersion>>;
  let nodes: Readonly<Record<Version, ServerProcess>>;
  const opened = new AsyncDisposableStack();

  /** The previous version first: the new one upgrades its database. */
  async function startBoth(settings: Env = {}) {
    const env = {
      PORT: "0",
      REDIS_URL: redis.url,
      DATABASE_URL: await postgres.newDatabase(),
      CURFEW_SECRETS: randomBytes(32).toString("base64"),
      // Too rare to find an end: only messages between the nodes can.
      RECHECK_INTERVAL: "1h",
      OUTAGE_GRACE: "1h",
      ...settings,
    };
    const older = opened.use(await startServer(env, [], previous.path, previous.main));
    const newer = opened.use(await startServer(env));
    return { env, both: { "the previous version": older, "this version": newer } };
  }

  let env: Env;
  beforeAll(async () => {
    redis = opened.use(await startRedis());
    postgres = opened.use(await PostgresServer.start());
    previous = opened.use(await unpackPreviousVersion());
    ({ env, both: nodes } = await startBoth());
  });
  afterAll(() => opened.disposeAsync());

  const record = async (id: string) => String(await redis.command("GET", `curfew:session:{${id}}`));
  const isAccepted = async (node: ServerProcess, token: string) =>
    (await askData(node.url, "{ viewer { session { id } } }", { token })).viewer !== null;

  /** How many nodes are subscribed to the topic of the session. */
  const subscribers = async (id: string) =>
    Number(((await redis.command("PUBSUB", "NUMSUB", sessionTopic(id))) as unknown[])[1]);

  it.each(orders)(
    "a logout on %s closes the session's sockets there and on %s by a message",
    async (one, other) => {
      const user = await register(nodes[one].url);
      await using near = await connect(nodes[one].socketUrl, user.accessToken);
      await using far = await connect(nodes[other].socketUrl, user.accessToken);
      // Without a prefix and in database 0, the names of the channels are the same.
      expect(await subscribers(user.sessionId)).toBe(2);
      expect(await logout(nodes[one].url, user.accessToken)).toBe(1);
      expect(await Promise.all([near.closed, far.closed])).toEqual([sessionEnded, sessionEnded]);
      for (const node of Object.values(nodes)) {
        expect(await isAccepted(node, user.accessToken)).toBe(false);
        expect(await renew(node.url, user.renewalToken)).toBe("ENDED");
      }
    },
  );

  it.each(orders)("a session of %s is renewed by %s, in turn", async (one, other) => {
    const user = await register(nodes[one].url);
    let latest: SignedIn = user;
    for (const node of [nodes[other], nodes[one], nodes[other]]) {
      const next = await renew(node.url, latest.renewalToken);
      if (typeof next === "string") throw new Error(next);
      // A retry on the other version gets the same pair.
      for (const { url } of Object.values(nodes))
        expect(await renew(url, latest.renewalToken)).toMatchObject({
          accessToken: next.accessToken,
        });
      latest = next;
    }
    for (const node of Object.values(nodes))
      expect(await isAccepted(node, latest.accessToken)).toBe(true);
    expect(JSON.parse(await record(user.sessionId))).toMatchObject({ generation: 3 });
  });

  it("a renewal on either version moves the deadlines of sockets on both", async () => {
    const { both } = await startBoth({ ACCESS_TOKEN_TTL: "20s" });
    await using sockets = new AsyncDisposableStack();
    const connectBoth = async (token: string) => {
      const open: TestSocket[] = [];
      for (const { socketUrl } of Object.values(both))
        open.push(sockets.use(await connect(socketUrl, token)));
      return open;
    };
    const users: (SignedIn & { readonly url: string })[] = [];
    const renewed: TestSocket[] = [];
    for (const { url } of Object.values(both)) {
      const user = await register(url);
      users.push({ ...user, url });
      renewed.push(...(await connectBoth(user.accessToken)));
    }
    // The deadlines of its sockets are later than the first ones of the others.
    const idle = await register(both["this version"].url);
    const controls = await connectBoth(idle.accessToken);
    const half = Date.parse(idle.accessTokenExpiresAt) - 10_000;
    await until(() => Date.now() > half, "half of the lifetime");
    for (const { url, renewalToken, userId } of users)
      expect(await renew(url, renewalToken)).toMatchObject({ userId });
    for (const { closed } of controls) expect(await closed).toEqual(sessionExpired);
    for (const socket of renewed) {
      socket.subscribe("1", "{ viewer { session { id } } }");
      expect(await socket.messages.next()).toMatchObject({ type: "next" });
    }
  });

  it.each(orders)(
    "changePassword on %s closes sockets and starts the caller's session over, there and on %s",
    async (one, other) => {
      const email = newEmail();
      const caller = await register(nodes[one].url, email);
      const device = await login(nodes[other].url, email);
      const both = Object.values(nodes);
      await using sockets = new AsyncDisposableStack();
      const connectAll = async (token: string) => {
        const all = [];
        for (const { socketUrl } of both) all.push(sockets.use(await connect(socketUrl, token)));
        return all.map(({ closed }) => closed);
      };
      const ended = await connectAll(device.accessToken);
      const superseded = await connectAll(caller.accessToken);
      const next = "another correct horse battery staple";
      const query = `mutation ($current: String!, $next: String!) {
        changePassword(currentPassword: $current, newPassword: $next) {
          ... on PasswordChanged { endedSessions tokens { accessToken renewalToken } }
        }
      }`;
      const { changePassword } = await askData(nodes[one].url, query, {
        token: caller.accessToken,
        variables: { current: password, next },
      });
      expect(changePassword.endedSessions).toBe(1);
      expect(await Promise.all(ended)).toEqual([sessionEnded, sessionEnded]);
      expect(await Promise.all(superseded)).toEqual([sessionExpired, sessionExpired]);
      for (const node of both) {
        expect(await isAccepted(node, caller.accessToken)).toBe(false);
        expect(await isAccepted(node, device.accessToken)).toBe(false);
        expect(await renew(node.url, device.renewalToken)).toBe("ENDED");
        expect(await renew(node.url, caller.renewalToken)).toBe("SUPERSEDED");
        expect(await isAccepted(node, changePassword.tokens.accessToken)).toBe(true);
        expect(await tryLogin(node.url, email)).toBe("InvalidCredentials");
        expect(await tryLogin(node.url, email, next)).toBe("SignedIn");
      }
      let { renewalToken } = changePassword.tokens as SignedIn;
      for (const { url } of both) {
        const pair = await renew(url, renewalToken);
        if (typeof pair === "string") throw new Error(pair);
        ({ renewalToken } = pair);
      }
    },
  );

  it.each(orders)(
    "a start, renewal and end on %s are reported there and on %s",
    async (one, other) => {
      const email = newEmail();
      const watcher = await register(nodes[one].url, email);
      await using near = await connect(nodes[one].socketUrl, watcher.accessToken);
      await using far = await connect(nodes[other].socketUrl, watcher.accessToken);
      const another = () => login(nodes[one].url, email);
      const events = [await watchSessions(near, another), await watchSessions(far, another)];
      const { sessionId: id, ...phone } = await login(nodes[one].url, email);
      const expectEvent = async (type: string, endReason: string | null = null) => {
        for (const { of: nextEventOf } of events)
          expect(await nextEventOf(id)).toEqual({ type, endReason });
      };
      await expectEvent("STARTED");
      await until(async () => (await subscribers(id)) === 2, "the topic of the session");
      const next = await renew(nodes[one].url, phone.renewalToken);
      if (typeof next === "string") throw new Error(next);
      await expectEvent("RENEWED");
      await logout(nodes[one].url, next.accessToken);
      await expectEvent("ENDED", "LOGOUT");
    },
  );

  it("a renewal by the previous version keeps the members that it does not know, except lists and large numbers", async () => {
    const user = await register(nodes["this version"].url);
    const before = JSON.parse(await record(user.sessionId)) as Record<string, unknown>;
    expect(before).toHaveProperty("securityVersion");
    const later = {
      securityVersion: 3,
      text: "[]",
      list: [],
      empty: {},
      precise: 1234567890123456,
    };
    await redis.command(
      "SET",
      `curfew:session:{${user.sessionId}}`,
      JSON.stringify({ ...before, ...later }),
      "KEEPTTL",
    );
    const renewed = await renew(nodes["the previous version"].url, user.renewalToken);
    if (typeof renewed === "string") throw new Error(renewed);
    const after = JSON.parse(await record(user.sessionId)) as Record<string, unknown>;
    expect(Object.keys(after).toSorted()).toEqual(Object.keys({ ...before, ...later }).toSorted());
    expect(after).toMatchObject({ generation: 1, securityVersion: 3, text: "[]", empty: {} });
    // Its JSON encoder loses these. No field of this version has such a value.
    expect(after).toMatchObject({ list: {}, precise: 1.2345678901235e15 });
    for (const node of Object.values(nodes))
      expect(await isAccepted(node, renewed.accessToken)).toBe(true);
  });

  it("a session of the previous version has no security version, which this version reads as 0", async () => {
    const user = await register(nodes["the previous version"].url);
    expect(JSON.parse(await record(user.sessionId))).not.toHaveProperty("securityVersion");
    expect(await renew(nodes["this version"].url, user.renewalToken)).toMatchObject({
      sessionId: user.sessionId,
    });
    expect(JSON.parse(await record(user.sessionId))).toMatchObject({ securityVersion: 0 });
  });

  it("the previous version starts again on the database that this version has upgraded", async () => {
    await using again = await startServer(env, [], previous.path, previous.main);
    expect((await fetch(new URL("/ready", again.url))).status).toBe(200);
    const { userId, accessToken: token } = await register(nodes["this version"].url);
    const { viewer } = await askData(again.url, "{ viewer { user { id } } }", { token });
    expect(viewer).toEqual({ user: { id: userId } });
  });
});
