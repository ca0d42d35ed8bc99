/** Opens the store adapters with the time limits that a node uses. */
import { nodeLimits } from "../../src/node/limits.ts";
import type { RedisAddress } from "../../src/stores/redis/address.ts";
import * as redis from "../../src/stores/redis/client.ts";
import { LinkProbe } from "../../src/stores/redis/link-probe.ts";
import type { LinkProbeOptions } from "../../src/stores/redis/link-probe-options.ts";
import * as sqlite from "../../src/stores/sqlite/database.ts";
import { PostgresUsers } from "../../src/users/postgres.ts";

/** @param commandTimeout milliseconds */
export function commandClient(
  address: RedisAddress,
  commandTimeout: number = nodeLimits.redis.commandTimeout,
) {
  return redis.commandClient(address, { ...nodeLimits.redis, commandTimeout });
}

export function subscriberClient(address: RedisAddress, commands?: redis.RedisClient) {
  return redis.subscriberClient(address, nodeLimits.redis, commands);
}

export function openDatabase(file: string) {
  return sqlite.openDatabase(file, nodeLimits.sqlite.busyTimeout);
}

export function openPostgresUsers(url: string) {
  return PostgresUsers.open(url, nodeLimits.postgres);
}

/** Starts the probe of a node's links, which reports nothing unless the options say so. */
export function probeLinks(
  links: Pick<LinkProbeOptions, "commands" | "subscriber">,
  options: Partial<LinkProbeOptions> = {},
) {
  const id = crypto.randomUUID();
  const ignore = () => {};
  return LinkProbe.start({
    ...links,
    serverName: "The test's Redis",
    channel: `curfew:probe:${id}`,
    id,
    limits: nodeLimits.redis,
    observer: {
      linkChanged: ignore,
      linkLost: ignore,
      linkReturned: ignore,
      storeReplaced: ignore,
    },
    onError: ignore,
    ...options,
  });
}
