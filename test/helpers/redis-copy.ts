/** Copies of a Redis server's data, and the record of a session on one server. */
import { Redis } from "ioredis";
import { readRecord, type RecordReading } from "../../src/stores/redis/record.ts";
import { startRedis, type RedisServer } from "./redis.ts";
import { until } from "./until.ts";

interface Server {
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
}

/** Starts a second server with all data that the first has now. From then on it is on its own. */
export async function startCopy(redis: RedisServer): Promise<RedisServer> {
  await redis.command("CONFIG", "SET", "repl-diskless-sync-delay", 0);
  await using opened = new AsyncDisposableStack();
  const copy = opened.use(await startRedis(["--repl-diskless-sync-delay", "0"]));
  await copy.command("REPLICAOF", "127.0.0.1", redis.port);
  await untilAttached(copy);
  const offset = await offsetOf(redis, "master_repl_offset");
  await until(async () => (await offsetOf(copy, "slave_repl_offset")) >= offset, "the copy");
  await copy.command("REPLICAOF", "NO", "ONE");
  opened.move();
  return copy;
}

/** Makes a running master the replica of another server. Its connections stay. */
export async function demote(master: RedisServer, successor: RedisServer): Promise<void> {
  await master.command("REPLICAOF", "127.0.0.1", successor.port);
  await untilAttached(master);
}

/** Reads the state of the session's record on a server, master or replica. */
export async function recordAt(
  { port }: { readonly port: number },
  fingerprint: string,
): Promise<RecordReading["state"]> {
  // In a cluster, a replica answers only connections that have sent READONLY.
  const client = new Redis(port, { readOnly: true, maxRetriesPerRequest: 0 });
  client.on("error", () => {});
  try {
    return readRecord(fingerprint, await client.get(`curfew:session:{${fingerprint}}`)).state;
  } finally {
    client.disconnect();
  }
}

/** How many connections of clients of a type a server has, without that of this call. */
export async function clientCount(server: Server, type: "normal" | "pubsub"): Promise<number> {
  const lines = String(await server.command("CLIENT", "LIST", "TYPE", type))
    .trim()
    .split("\n");
  return lines.filter((line) => line !== "" && !line.includes("cmd=client|list")).length;
}

async function untilAttached(replica: Server): Promise<void> {
  const isAttached = async () => (await replicationOf(replica)).get("master_link_status") === "up";
  // While the replica loads the data, it refuses commands.
  await until(() => isAttached().catch(() => false), "the replica to be attached");
}

async function offsetOf(server: Server, field: string): Promise<number> {
  return Number((await replicationOf(server)).get(field));
}

async function replicationOf(server: Server): Promise<ReadonlyMap<string, string>> {
  const lines = String(await server.command("INFO", "replication")).split("\r\n");
  return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]));
}
