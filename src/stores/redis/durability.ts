/** Tells an operator whose Redis would forget what it acknowledged: a logout that is forgotten is undone. */
import { Cluster, type Redis } from "ioredis";
import type { RedisClient } from "./client.ts";

/** What is unsafe about the servers' settings, one sentence each; none where they do not show them. */
export async function durabilityWarnings(client: RedisClient): Promise<string[]> {
  const servers = client instanceof Cluster ? client.nodes("master") : [client];
  const warnings = await Promise.all(servers.map(warningsOf));
  return [...new Set(warnings.flat())];
}

async function warningsOf(client: Redis): Promise<string[]> {
  const settings = await Promise.all(
    ["appendonly", "maxmemory-policy"].map(async (name) => {
      // Hosted servers hide their settings; theirs are not for us to judge.
      const reply: unknown = await client.config("GET", name).catch(() => []);
      return Array.isArray(reply) ? String(reply[1] ?? "") : "";
    }),
  );
  const [appendOnly, policy] = settings;
  const warnings: string[] = [];
  if (appendOnly === "no")
    warnings.push(
      "Redis has appendonly no: if it is killed, sessions that were logged out come back. Set appendonly yes.",
    );
  if (policy !== undefined && policy !== "" && policy !== "noeviction")
    warnings.push(
      `Redis has maxmemory-policy ${policy}: when memory runs short it logs users out. Set noeviction.`,
    );
  return warnings;
}
