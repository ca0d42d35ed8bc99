/** Starts Curfew nodes as processes, with the Redis that they share. */
import { randomBytes } from "node:crypto";
import {
  newFolder,
  runCommand,
  startServer,
  type Env,
  type Outcome,
  type ServerProcess,
} from "../helpers/command.ts";
import { startProxy, type TestProxy } from "../helpers/proxy.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { masterName, RedisSentinels } from "../helpers/redis-sentinel.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";
import type { NodeAddress } from "./sockets.ts";

/** One server, or several that fail over by themselves. */
export type Redis = RedisServer | RedisSentinels | RedisCluster;

export interface Node extends NodeAddress {
  /** The proxy between the node and Redis; throws with Sentinels or a cluster. */
  readonly proxy: TestProxy;
  /** Id of the node's current process. */
  readonly pid: number;
  /** Kills the process, as a power failure would. */
  kill(): Promise<void>;
  /** Starts a process again with the same settings and port, as soon as it can reach Redis. */
  restart(): Promise<void>;
}

export interface Cluster extends AsyncDisposable {
  readonly redis: Redis;
  readonly nodes: readonly Node[];
  /** Ids of the Redis processes. */
  readonly stores: readonly number[];
  /** Runs `curfew admin` with the first node's settings. */
  readonly admin: (...operands: readonly string[]) => Promise<Outcome>;
  /** Stops all nodes; returns their faults: printed errors and wrong exit codes. */
  stop(): Promise<string[]>;
}

export interface ClusterOptions {
  /** The environment of each node, merged over `env`. */
  readonly nodes: readonly Env[];
  readonly env: Env;
  /** Starts the Redis; by default a server that persists nothing. */
  readonly redis?: () => Promise<Redis>;
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await (options.redis ?? startRedis)());
  const folder = opened.use(await newFolder());
  const secret = randomBytes(32).toString("base64");
  const nodes: (Node & { readonly server: ServerProcess; readonly isKilled: boolean })[] = [];
  const environments: Env[] = [];
  for (const [index, env] of options.nodes.entries()) {
    const { address, proxy } = await linkTo(redis);
    if (proxy) opened.use(proxy);
    const environment = {
      PORT: "0",
      DATA_DIR: folder.path,
      CURFEW_SECRETS: secret,
      ...address,
      LOG_LEVEL: "warn",
      ...options.env,
      ...env,
    };
    environments.push(environment);
    let server = await startServer(environment);
    opened.defer(async () => void (await server.stop("SIGKILL")));
    let isKilled = false;
    const kill = async () => {
      isKilled = true;
      await server.stop("SIGKILL");
    };
    const restart = async () => {
      const again = { ...environment, PORT: server.port };
      const started: ServerProcess[] = [];
      // A start fails while Redis has no master.
      await until(async () => {
        const one = await startServer(again).catch(() => undefined);
        if (one !== undefined) started.push(one);
        return one !== undefined;
      }, "the node to start again");
      server = started[0] ?? server;
      isKilled = false;
    };
    const name = String.fromCodePoint(97 + index);
    const { url, socketUrl } = server;
    nodes.push({
      name,
      url,
      socketUrl,
      get server() {
        return server;
      },
      get pid() {
        return server.pid;
      },
      kill,
      restart,
      get isKilled() {
        return isKilled;
      },
      get proxy() {
        if (proxy === undefined) throw new Error("Sentinels and clusters have no proxy");
        return proxy;
      },
    });
  }
  const all = opened.move();

  const stop = async () => {
    const faults = nodes.map(async ({ name, server, isKilled }) => {
      const { code, errors } = await server.stop("SIGTERM");
      const printed = errors.slice(server.startupReport.length);
      return [
        ...(isKilled || code === 0 ? [] : [`Node ${name} exited with ${code}`]),
        ...(printed === "" ? [] : [`Node ${name} printed ${printed}`]),
      ];
    });
    return (await Promise.all(faults)).flat();
  };
  const stores =
    redis instanceof RedisSentinels
      ? redis.servers.map(({ pid }) => pid)
      : redis instanceof RedisCluster
        ? redis.nodes.map(({ pid }) => pid)
        : [redis.process.pid ?? 0];
  const admin = (...operands: readonly string[]) =>
    runCommand(["admin", ...operands], environments[0] ?? {});
  return { redis, nodes, stores, admin, stop, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** The settings with which a node finds Redis: a single server behind a proxy, others directly. */
async function linkTo(redis: Redis): Promise<{ address: Env; proxy?: TestProxy }> {
  if (redis instanceof RedisSentinels)
    return {
      address: { REDIS_SENTINELS: redis.endpoints.join(), REDIS_SENTINEL_NAME: masterName },
    };
  if (redis instanceof RedisCluster)
    return { address: { REDIS_CLUSTER_NODES: redis.endpoints.join() } };
  const proxy = await startProxy(redis.port);
  return { address: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` }, proxy };
}
