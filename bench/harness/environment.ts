/** The environment that all rounds share: a Redis, a folder with a user in it, secrets, and functions to start processes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { register, type SignedIn } from "../../test/helpers/http.ts";
import { startRedis } from "../../test/helpers/redis.ts";
import type { LoadOrders } from "../load/generator.ts";
import type { basics } from "../servers/basics.ts";
import type { CurfewOrders, Started } from "../servers/curfew.ts";
import { Actor, type ActorOptions, type Env } from "./processes.ts";
import type { Orders } from "./orders.ts";

export type ServerOrders = typeof basics & { readonly url: () => string };

export interface BenchEnvironment extends AsyncDisposable {
  /** Curfew's settings: Redis, and no limit of sockets per address. All other settings have their defaults. */
  readonly env: Env;
  readonly redisUrl: string;
  /** A user with a session that lasts longer than the benchmark. */
  readonly user: SignedIn;
  /** Starts sessions in Redis, each of another user. */
  readonly sessions: (count: number) => Promise<Started[]>;
}

export async function openEnvironment(): Promise<BenchEnvironment> {
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await startRedis());
  const dataDir = await mkdtemp(join(tmpdir(), "curfew-bench-"));
  opened.defer(() => rm(dataDir, { recursive: true, force: true }));
  const env = {
    REDIS_URL: redis.url,
    DATA_DIR: dataDir,
    // All sockets come from this machine.
    MAX_SOCKETS_PER_ADDRESS: "0",
    CURFEW_SECRETS: "a secret of the benchmark of 32 bytes or more",
  };
  await using first = await startCurfew(env);
  const user = await register(await first.ask("url"));
  const kept = opened.move();
  return {
    env,
    redisUrl: redis.url,
    user,
    sessions: async (count) => {
      await using curfew = await startCurfew(env);
      return await curfew.ask("start", { count });
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export function startCurfew(
  env: Env,
  flags: ActorOptions["flags"] = [],
): Promise<Actor<CurfewOrders>> {
  return Actor.start<CurfewOrders>("servers/curfew.ts", { env, flags });
}

export function startServer<T extends Orders = ServerOrders>(
  file: string,
  options: ActorOptions = {},
): Promise<Actor<T>> {
  return Actor.start<T>(file, options);
}

export function startLoad(): Promise<Actor<LoadOrders>> {
  return Actor.start<LoadOrders>("load/generator.ts");
}
