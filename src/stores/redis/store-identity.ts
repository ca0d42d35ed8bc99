/** Detects that another Redis answers, which may have lost acknowledged changes. */
import { Cluster, type Redis } from "ioredis";
import type { RedisClient } from "./client.ts";
import { nodeName, readyLinks } from "./command-links.ts";
import { isReply, isTemporary } from "./reply-errors.ts";

/** The result of reading the identity of the servers. */
export interface IdentityReading {
  /** Another store answers than at the last reading. */
  readonly isReplaced: boolean;
  /** The server is a replica. Never in a cluster, whose masters the client finds itself. */
  readonly isReplica: boolean;
  /** All servers that are connected were read. */
  readonly isComplete: boolean;
}

/** Fields of INFO and CLUSTER INFO by name. */
type Fields = ReadonlyMap<string, string>;

/**
 * The run id and the replication id of each master, and the epoch of a cluster. A restart changes the run id, a
 * promotion changes the replication id and, in a cluster, the epoch. A server that does not show them counts as
 * another store at each new connection.
 */
export class StoreIdentity {
  readonly #known = new Map<string, string>();
  readonly #connections = new WeakMap<object, number>();
  #connectionCount = 0;
  #isFirst = true;
  #epoch = 0;
  #runId: string | undefined;

  /** The masters have changed since the last reading. */
  isOutdated(client: RedisClient): boolean {
    return readyLinks(client).some((link) => !this.#known.has(keyOf(client, link)));
  }

  /** The run id of a single server at the last reading. */
  get runId(): string | undefined {
    return this.#runId;
  }

  async read(client: RedisClient): Promise<IdentityReading> {
    const links = readyLinks(client);
    const readings = await Promise.all(links.map((link) => this.#identify(client, link)));
    const found = readings.filter((reading) => reading !== undefined);
    // Nodes of a cluster learn of a new epoch one after the other: the highest counts.
    const epoch = Math.max(this.#epoch, ...found.map(([, , , each]) => each));
    let isReplaced = epoch > this.#epoch;
    this.#epoch = epoch;
    for (const [key, id] of found) {
      isReplaced ||= this.#known.get(key) !== id;
      this.#known.set(key, id);
    }
    const isFirst = this.#isFirst;
    if (found.length > 0) this.#isFirst = false;
    return {
      isReplaced: isReplaced && !isFirst,
      isReplica: found.some(([, , role]) => role === "slave") && !(client instanceof Cluster),
      isComplete: links.length > 0 && found.length === links.length,
    };
  }

  async #identify(client: RedisClient, link: Redis): Promise<Identified | undefined> {
    const key = keyOf(client, link);
    const { stream } = link;
    try {
      const isCluster = client instanceof Cluster;
      const [server, replication, cluster] = await Promise.all([
        fieldsOf(link.info("server")),
        fieldsOf(link.info("replication")),
        isCluster ? fieldsOf(link.cluster("INFO") as Promise<unknown>) : new Map<string, string>(),
      ]);
      if (!isCluster) this.#runId = server.get("run_id");
      const role = replication.get("role") ?? "";
      const id = `${server.get("run_id") ?? ""} ${replication.get("master_replid") ?? ""}`;
      const epoch = Number(cluster.get("cluster_current_epoch") ?? 0);
      return [key, id === " " ? this.#connectionOf(stream) : id, role, epoch];
    } catch (error) {
      if (isReply(error) && !isTemporary(error)) return [key, this.#connectionOf(stream), "", 0];
      return undefined;
    }
  }

  #connectionOf(stream: object): string {
    const number = this.#connections.get(stream) ?? ++this.#connectionCount;
    this.#connections.set(stream, number);
    return `connection ${number}`;
  }
}

/** A server's key, its identity, its role and the epoch of its cluster. */
type Identified = readonly [key: string, id: string, role: string, epoch: number];

/** With one server, another address has the same key. */
function keyOf(client: RedisClient, link: Redis): string {
  return client instanceof Cluster ? nodeName(link) : "server";
}

async function fieldsOf(reply: Promise<unknown>): Promise<Fields> {
  const lines = String(await reply).split("\r\n");
  return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]));
}
