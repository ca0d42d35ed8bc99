/** Curfew nodes as processes of their own, each with a faulty network between it and the one Redis. */
import { randomBytes } from "node:crypto";
import { newFolder, startServer, type Env, type ServerProcess } from "../helpers/command.ts";
import { startProxy, type TestProxy } from "../helpers/proxy.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import type { Address } from "./sockets.ts";

export interface Node extends Address {
  readonly proxy: TestProxy;
  /** As a power cut would. */
  kill(): Promise<void>;
}

export interface Cluster extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly nodes: readonly Node[];
  /** Stops all; resolves to what they should not have done: print errors, or exit in another way. */
  stop(): Promise<string[]>;
}

export interface ClusterOptions {
  /** One for each node, beside what all have. */
  readonly nodes: readonly Env[];
  readonly env: Env;
  readonly redis?: readonly string[];
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await startRedis(options.redis));
  const folder = opened.use(await newFolder());
  const secret = randomBytes(32).toString("base64");
  const nodes: (Node & { readonly server: ServerProcess; readonly isKilled: () => boolean })[] = [];
  for (const [index, env] of options.nodes.entries()) {
    const proxy = opened.use(await startProxy(redis.port));
    const server = opened.use(
      await startServer({
        PORT: "0",
        DATA_DIR: folder.path,
        CURFEW_SECRETS: secret,
        REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
        LOG_LEVEL: "warn",
        ...options.env,
        ...env,
      }),
    );
    let killed = false;
    const kill = async () => {
      killed = true;
      await server.stop("SIGKILL");
    };
    const name = String.fromCodePoint(97 + index);
    const { url, socketUrl } = server;
    nodes.push({ name, url, socketUrl, proxy, server, kill, isKilled: () => killed });
  }
  const all = opened.move();

  const stop = async () => {
    const faults = nodes.map(async ({ name, server, isKilled }) => {
      const { code, errors } = await server.stop("SIGTERM");
      const printed = errors.slice(server.greeting.length);
      return [
        ...(isKilled() || code === 0 ? [] : [`Node ${name} exited with ${code}`]),
        ...(printed === "" ? [] : [`Node ${name} printed ${printed}`]),
      ];
    });
    return (await Promise.all(faults)).flat();
  };
  return { redis, nodes, stop, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
