/** A Redis that refuses commands counts as unavailable: no session ends. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, logout, register } from "../helpers/http.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

interface Refusal {
  readonly args?: readonly string[];
  readonly prepare?: (redis: RedisServer) => Promise<unknown>;
  /** Makes it refuse commands; resolves to a function that undoes this. */
  readonly begin: (redis: RedisServer) => Promise<() => Promise<unknown>>;
  /** Whether it still answers reads. */
  readonly reads?: boolean;
  /** Whether it still deletes. */
  readonly ends?: boolean;
}

const whoAmI = "{ viewer { session { id } } }";

/** Takes 15 s without this setting. */
async function load(redis: RedisServer) {
  for (let key = 0; key < 300; key += 1) await redis.command("SET", `key ${key}`, "x".repeat(2000));
  await redis.command("CONFIG", "SET", "key-load-delay", 50_000);
  const loaded = redis.command("DEBUG", "RELOAD");
  // ioredis's ready check waits until it is.
  const directClient = new Redis(redis.port, { enableReadyCheck: false });
  const isLoading = () =>
    directClient.get("key").then(
      () => false,
      (error: unknown) => String(error).includes("LOADING"),
    );
  await until(isLoading, "it to load");
  return async () => {
    await directClient.config("SET", "key-load-delay", 0);
    directClient.disconnect();
    await loaded;
  };
}

async function follow(redis: RedisServer, staleReads: "yes" | "no") {
  await redis.command("CONFIG", "SET", "replica-serve-stale-data", staleReads);
  // A port without a listener.
  await redis.command("REPLICAOF", "127.0.0.1", 1);
  return () => redis.command("REPLICAOF", "NO", "ONE");
}

/** Cannot save: a directory has the name of its file. */
async function failToSave(redis: RedisServer) {
  const [, directory] = (await redis.command("CONFIG", "GET", "dir")) as [string, string];
  const [, name] = (await redis.command("CONFIG", "GET", "dbfilename")) as [string, string];
  await mkdir(join(directory, name));
  await redis.command("CONFIG", "SET", "save", "3600 1");
  await redis.command("BGSAVE");
  const failed = async () =>
    String(await redis.command("INFO", "persistence")).includes("rdb_last_bgsave_status:err");
  await until(failed, "the save to fail");
  return () => redis.command("CONFIG", "SET", "stop-writes-on-bgsave-error", "no");
}

async function isCluster(redis: RedisServer) {
  await redis.command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
  const isUp = async () =>
    String(await redis.command("CLUSTER", "INFO")).includes("cluster_state:ok");
  await until(isUp, "the cluster");
}

async function isAdmitted(url: string, token: string): Promise<boolean> {
  await using socket = await new TestSocket(url).opened();
  socket.init({ token });
  const first = await Promise.race([socket.messages.next(), socket.closed]);
  return "type" in first && first.type === "connection_ack";
}

const refusals: Readonly<Record<string, Refusal>> = {
  LOADING: {
    args: ["--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"],
    begin: load,
  },
  MASTERDOWN: { begin: (redis) => follow(redis, "no") },
  READONLY: { begin: (redis) => follow(redis, "yes"), reads: true },
  MISCONF: { begin: failToSave, reads: true },
  CLUSTERDOWN: {
    args: ["--cluster-enabled", "yes"],
    prepare: isCluster,
    begin: async (redis) => {
      await redis.command("CLUSTER", "DELSLOTSRANGE", 0, 100);
      return () => redis.command("CLUSTER", "ADDSLOTSRANGE", 0, 100);
    },
  },
  OOM: {
    begin: async (redis) => {
      await redis.command("CONFIG", "SET", "maxmemory", 1);
      return () => redis.command("CONFIG", "SET", "maxmemory", 0);
    },
    reads: true,
    ends: true,
  },
};

it.each(Object.entries(refusals))("%s", async (reply, refusal) => {
  const { args, prepare, begin, reads = false, ends = false } = refusal;
  await using redis = await startRedis(args);
  await prepare?.(redis);
  const patient = { recheckInterval: 100, outageGrace: 3_600_000 };
  await using curfew = await startCurfew({ redisUrl: redis.url, ...patient });
  const { accessToken: token, renewalToken, sessionId } = await register(curfew.url);
  const leaving = await register(curfew.url);
  await using before = await connect(curfew.socketUrl, token);
  const expectOpen = async () => {
    before.send({ type: "ping" });
    expect(await before.messages.next()).toEqual({ type: "pong" });
  };
  const viewer = async () => (await ask(curfew.url, whoAmI, { token })).data?.viewer?.session.id;
  const unavailable = { errors: [{ extensions: { code: "SERVICE_UNAVAILABLE" } }] };

  const heal = await begin(redis);

  const renewal = "mutation ($token: String!) { renew(renewalToken: $token) { __typename } }";
  const again = { variables: { token: renewalToken } };
  expect(await ask(curfew.url, renewal, again)).toMatchObject(unavailable);
  if (reads) {
    // The client disconnects from a master that has become a replica, to find the present master.
    await until(async () => (await viewer()) === sessionId, "the session to be seen");
    // A part of the probe's rounds closes that link again.
    await until(() => isAdmitted(curfew.socketUrl, token), "a socket to be admitted");
  } else {
    expect(await ask(curfew.url, whoAmI, { token })).toMatchObject(unavailable);
    await using after = await new TestSocket(curfew.socketUrl).opened();
    after.init({ token });
    expect(await after.closed).toEqual({ code: 1013, reason: "TRY_AGAIN_LATER" });
    await until(() => curfew.log.some(({ err }) => JSON.stringify(err ?? "").includes(reply)));
  }
  const goodbye = "mutation ($token: String) { logout(token: $token) { endedSessions } }";
  const farewell = { variables: { token: leaving.accessToken } };
  if (ends) expect(await logout(curfew.url, leaving.accessToken)).toBe(1);
  else expect(await ask(curfew.url, goodbye, farewell)).toMatchObject(unavailable);
  await expectOpen();

  await heal();

  await until(async () => (await viewer()) === sessionId, "the session to be seen again");
  if (!ends) expect(await logout(curfew.url, leaving.accessToken)).toBe(1);
  expect((await ask(curfew.url, renewal, again)).data).toEqual({
    renew: { __typename: "SignedIn" },
  });
  await expectOpen();
});
