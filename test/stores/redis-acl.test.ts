/** The access rules that docs/operations.md lists for Redis are enough for a whole node and for `curfew admin`. */
import { describe, expect, it } from "vitest";
import { readPages } from "../docs/pages.ts";
import {
  newFolder,
  runCommand,
  startServer,
  type Env,
  type ServerProcess,
} from "../helpers/command.ts";
import {
  askData,
  login,
  logout,
  newEmail,
  password,
  register,
  renew,
  tryLogin,
} from "../helpers/http.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { freePorts, RedisProcess } from "../helpers/redis-process.ts";
import { masterName, RedisSentinels } from "../helpers/redis-sentinel.ts";
import { connect, watchSessions } from "../helpers/socket.ts";

type User = "curfew" | "curfew-cluster" | "curfew-sentinel";

/** The rules of a user on the page, without its name and password. */
function rulesOf(user: User): readonly string[] {
  const page = readPages().find(({ path }) => path === "docs/operations.md");
  const lines = page?.blocks.flatMap(({ code }) => code.split("\n")) ?? [];
  const line = lines.find((one) => one.startsWith(`user ${user} `));
  if (line === undefined) throw new Error(`The page has no line for the user ${user}`);
  return line
    .split(" ")
    .slice(2)
    .filter((rule) => !rule.startsWith(">"));
}

/** As a part of a URL. */
const asUser = (user: User) => `${user}:${user}-password@`;

async function allow(server: RedisProcess, user: User): Promise<void> {
  await server.command("ACL", "SETUSER", user, `>${user}-password`, ...rulesOf(user));
}

/** The commands that the server refused to users, with the cause. */
async function refusalsOf(server: RedisProcess): Promise<string[]> {
  const entries = (await server.command("ACL", "LOG")) as (string | number)[][];
  return entries.map((entry) => {
    const field = (name: string) => entry[entry.indexOf(name) + 1];
    return `${field("username")}: ${field("reason")} ${field("object")}`;
  });
}

/** Servers with the users of the page, and a node's settings for them. */
interface Deployment extends AsyncDisposable {
  readonly servers: readonly RedisProcess[];
  readonly env: Env;
}

const deployments: Readonly<Record<string, () => Promise<Deployment>>> = {
  "one server": async () => {
    const [port = 0] = await freePorts(1);
    const server = await RedisProcess.start(port, ['save ""', "appendonly yes"]);
    await allow(server, "curfew");
    return {
      servers: [server],
      env: { REDIS_URL: `redis://${asUser("curfew")}${server.endpoint}/1` },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
  Sentinel: async () => {
    const redis = await RedisSentinels.start();
    for (const server of redis.servers) await allow(server, "curfew");
    for (const sentinel of redis.sentinels) await allow(sentinel, "curfew-sentinel");
    const urls = redis.endpoints.map(
      (endpoint) => `redis://${asUser("curfew-sentinel")}${endpoint}`,
    );
    return {
      servers: [...redis.servers, ...redis.sentinels],
      env: {
        REDIS_SENTINELS: urls.join(","),
        REDIS_SENTINEL_NAME: `redis://${asUser("curfew")}${masterName}`,
      },
      [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
    };
  },
  Cluster: async () => {
    const cluster = await RedisCluster.start();
    for (const node of cluster.nodes) await allow(node, "curfew-cluster");
    const urls = cluster.endpoints.map(
      (endpoint) => `redis://${asUser("curfew-cluster")}${endpoint}`,
    );
    return {
      servers: cluster.nodes,
      env: { REDIS_CLUSTER_NODES: urls.join(",") },
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  },
};

describe.each(Object.keys(deployments))("the access rules for %s", (name) => {
  it("let a node and curfew admin do all they do, and Redis refuses no command", async () => {
    await using deployment = await deployments[name]?.();
    if (deployment === undefined) throw new Error("None");
    await using folder = await newFolder();
    const env = {
      ...deployment.env,
      DATA_DIR: folder.path,
      CURFEW_SECRETS: "a secret of this test without a comma",
      PORT: "0",
      MAX_LOGIN_FAILURES: "1",
    };
    await using node = await startServer(env);
    await liveOneDay(node, env);
    for (const server of deployment.servers) expect(await refusalsOf(server)).toEqual([]);
  });
});

/** A device watches while others sign in, renew, log out and are listed; then the password is changed. */
async function liveOneDay({ url, socketUrl }: ServerProcess, env: Env): Promise<void> {
  const email = newEmail();
  const { accessToken } = await register(url, email);
  await using socket = await connect(socketUrl, accessToken);
  const events = await watchSessions(socket, () => login(url, email));
  const other = await login(url, email);
  expect(await events.of(other.sessionId)).toMatchObject({ type: "STARTED" });
  const next = await renew(url, other.renewalToken);
  if (typeof next === "string") throw new Error(next);
  expect(await events.of(other.sessionId)).toMatchObject({ type: "RENEWED" });
  for (const outcome of ["InvalidCredentials", "TooManyAttempts"])
    expect(await tryLogin(url, email, "a wrong password")).toBe(outcome);
  expect(await renew(url, "not a token")).toBe("MALFORMED");

  const { code, output } = await runCommand(["admin", "sessions", email], env);
  expect([code, output]).toEqual([0, expect.stringContaining(other.sessionId)]);

  expect(await logout(url, next.accessToken)).toBe(1);
  expect(await events.of(other.sessionId)).toEqual({ type: "ENDED", endReason: "LOGOUT" });
  const change = `mutation {
    changePassword(currentPassword: "${password}", newPassword: "another ${password}") { __typename }
  }`;
  const { changePassword } = await askData(url, change, { token: accessToken });
  expect(changePassword.__typename).toBe("PasswordChanged");
  expect(await socket.closed).toEqual({ code: 4403, reason: "SESSION_EXPIRED" });
}
