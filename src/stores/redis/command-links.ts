/** The connections of the client for commands: one to the server, or in a cluster one to each master. */
import { Cluster, Command, type Redis } from "ioredis";
import type { RedisClient } from "./client.ts";

export function commandLinks(client: RedisClient): readonly Redis[] {
  return client instanceof Cluster ? client.nodes("master") : [client];
}

/** The connections on which commands can be sent now. */
export function readyLinks(client: RedisClient): readonly Redis[] {
  return commandLinks(client).filter(({ status }) => status === "ready");
}

/** `host:port`, as a cluster names its nodes. */
export function nodeName({ options: { host = "", port = 0 } }: Redis): string {
  return `${host}:${port}`;
}

/** The masters of a cluster that have slots and no usable connection. */
export function lostMasters(cluster: Cluster): readonly string[] {
  const connected = new Set(readyLinks(cluster).map(nodeName));
  return mastersWithSlots(cluster).filter((name) => !connected.has(name));
}

/** Whether each command can be sent to the server that is responsible for its key. */
export function isConnected(client: RedisClient): boolean {
  if (client.status !== "ready") return false;
  return !(client instanceof Cluster) || lostMasters(client).length === 0;
}

function mastersWithSlots({ slots }: Cluster): readonly string[] {
  const names = new Set<string>();
  for (const [master] of slots.filter((nodes) => nodes !== undefined))
    if (master !== undefined) names.add(master);
  return [...names];
}

/** Hash tags for keys of the probe: one for each master, so that a key with the tag is on that master. */
export function tagsOfMasters(client: RedisClient, id: string): readonly string[] {
  if (!(client instanceof Cluster)) return [id];
  const count = mastersWithSlots(client).length;
  const tags = new Map<string, string>();
  // Far more attempts than a cluster of the maximum size needs.
  for (let i = 0; tags.size < count && i < 100_000; i += 1) {
    const tag = `${id}-${i}`;
    const master = masterOf(client, tag);
    if (master !== undefined && !tags.has(master)) tags.set(master, tag);
  }
  return [...tags.values()];
}

/** The name of the master that has the key; undefined if the client does not know it. */
export function masterOf(cluster: Cluster, key: string): string | undefined {
  return cluster.slots[new Command("get", [key]).getSlot()]?.[0];
}

/**
 * Closes the connection at once. ioredis's own `disconnect` waits for the server's end of the connection, which
 * never comes on a dead one. The client connects again.
 *
 * @param cause the text of the client's 'error' event
 */
export function destroyLink(link: Redis, cause: string): void {
  // While the client connects for the first time, it has no stream.
  (link.stream as Redis["stream"] | undefined)?.destroy(new Error(cause));
}

/** The position in what a connection has received. */
export interface ReceivedMark {
  readonly stream: Redis["stream"];
  readonly bytes: number;
}

export function received({ stream }: Redis): ReceivedMark {
  return { stream, bytes: stream.bytesRead };
}

/** Whether the connection is still the same and has received nothing since. */
export function isSilentSince({ stream, bytes }: ReceivedMark, link: Redis): boolean {
  return link.stream === stream && stream.bytesRead === bytes;
}
