/** Starts two nodes that share a Redis and a user directory. */
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew, type TestCurfew } from "./curfew.ts";
import { withoutClose, memoryUsers } from "./backends.ts";
import type { RedisServer } from "./redis.ts";

/** Rechecks are too rare to detect an end: only messages between the nodes can (ms). */
export const rareRechecks = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };

export interface Nodes extends AsyncDisposable {
  readonly here: TestCurfew;
  readonly there: TestCurfew;
}

/**
 * @param redis a single server, or the settings of a cluster or of Sentinels
 * @param others options of the second node only
 */
export async function startNodes(
  redis: RedisServer | CurfewOptions,
  options: CurfewOptions = {},
  others: CurfewOptions = {},
): Promise<Nodes> {
  await using opened = new AsyncDisposableStack();
  const users = opened.adopt(memoryUsers(), (part) => part.close());
  const start = async (one: CurfewOptions) =>
    opened.use(
      await startCurfew({
        ...("url" in redis ? { redisUrl: redis.url } : redis),
        ...one,
        backends: { ...one.backends, users: withoutClose(users) },
      }),
    );
  const here = await start(options);
  const there = await start({ ...options, ...others });
  const all = opened.move();
  return { here, there, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
