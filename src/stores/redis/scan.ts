/** Lists keys of Redis without blocking it. */
import type { RedisClient } from "./client.ts";
import { commandLinks } from "./command-links.ts";

/** Keys that Redis looks at for each step, which blocks it for less than 1 ms. */
const keysPerStep = 1_000;

/** The keys that match the pattern, in batches. A key may come twice. In a cluster, one master after the other. */
export async function* scanKeys(
  client: RedisClient,
  pattern: string,
): AsyncGenerator<readonly string[], undefined> {
  for (const server of commandLinks(client)) {
    let cursor = "0";
    do {
      const [next, keys] = await server.scan(cursor, "MATCH", pattern, "COUNT", keysPerStep);
      if (keys.length > 0) yield keys;
      cursor = next;
    } while (cursor !== "0");
  }
}
