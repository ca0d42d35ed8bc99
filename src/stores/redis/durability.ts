/** Warns operators if Redis may lose acknowledged writes: a lost logout makes its session valid again. */
import type { Redis } from "ioredis";
import type { RedisClient } from "./client.ts";
import { commandLinks } from "./command-links.ts";

/** Warnings about unsafe settings of the servers; none if a server hides its settings. */
export async function durabilityWarnings(client: RedisClient): Promise<string[]> {
  const warnings = await Promise.all(commandLinks(client).map(warningsOf));
  return [...new Set(warnings.flat())];
}

async function warningsOf(client: Redis): Promise<string[]> {
  const settings = await Promise.all(
    ["appendonly", "maxmemory-policy"].map(async (name) => {
      // Hosted servers hide their settings, which their operator is responsible for.
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
