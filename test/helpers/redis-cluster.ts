/** Starts a Redis Cluster for one test: by default, three masters with one replica each. */
import { freePorts, RedisProcess } from "./redis-process.ts";
import { until } from "./until.ts";

/** After this time without a reply, the other nodes consider a node failed (ms). */
const nodeTimeout = 1000;

const config = [
  "cluster-enabled yes",
  `cluster-node-timeout ${nodeTimeout}`,
  "cluster-replica-validity-factor 0",
  "repl-diskless-sync-delay 0",
  "repl-ping-replica-period 1",
  'save ""',
  "appendonly no",
  "enable-debug-command yes",
];

const slotCount = 16_384;

export interface NodeState {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly masterId: string;
  readonly slots: readonly string[];
}

interface ClusterSize {
  readonly masters?: number;
  /** At most one for each master. */
  readonly replicas?: number;
}

export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly RedisProcess[];
  readonly #masterCount: number;

  private constructor(nodes: readonly RedisProcess[], masterCount: number) {
    this.nodes = nodes;
    this.#masterCount = masterCount;
  }

  static async start({ masters = 3, replicas = masters }: ClusterSize = {}): Promise<RedisCluster> {
    await using opened = new AsyncDisposableStack();
    const ports = await freePorts(masters + replicas);
    const nodes = await Promise.all(ports.map((port) => RedisProcess.start(port, config)));
    for (const node of nodes) opened.use(node);
    const cluster = new RedisCluster(nodes, masters);
    await cluster.#assemble();
    opened.move();
    return cluster;
  }

  /** As in the settings: `host:port`. */
  get endpoints(): string[] {
    return this.nodes.map(({ endpoint }) => endpoint);
  }

  async slotOf(key: string): Promise<number> {
    for (const node of this.nodes) {
      const slot = await node.command("CLUSTER", "KEYSLOT", key).catch(() => undefined);
      if (typeof slot === "number") return slot;
    }
    throw new Error("No node answers");
  }

  /** The current master of the slot. */
  async masterOf(slot: number): Promise<RedisProcess> {
    const owns = (range: string) => {
      const [first = NaN, last = first] = range.split("-").map(Number);
      return first <= slot && slot <= last;
    };
    const state = (await this.states()).find(({ slots }) => slots.some(owns));
    if (state === undefined) throw new Error(`No master has the slot ${slot}`);
    return this.at(state.port);
  }

  async idOf(node: RedisProcess): Promise<string> {
    return String(await node.command("CLUSTER", "MYID"));
  }

  async replicaOf(master: RedisProcess): Promise<RedisProcess> {
    const id = await this.idOf(master);
    const replica = (await this.states()).find(
      ({ masterId, flags }) => masterId === id && !isDown(flags),
    );
    if (replica === undefined) throw new Error("It has no replica");
    return this.at(replica.port);
  }

  at(port: number): RedisProcess {
    const node = this.nodes.find((one) => one.port === port);
    if (node === undefined) throw new Error("No such node");
    return node;
  }

  /** The cluster's state as seen by the first node that answers. */
  async states(): Promise<NodeState[]> {
    for (const node of this.nodes) {
      const reply = await node.command("CLUSTER", "NODES").catch(() => undefined);
      if (typeof reply === "string") return reply.trim().split("\n").map(parse);
    }
    throw new Error("No node answers");
  }

  /** Resolves when all nodes that answer report the state `ok`. */
  async untilHealthy(): Promise<void> {
    const isHealthy = async () => {
      const infos = this.nodes.map((node) => node.command("CLUSTER", "INFO").catch(() => ""));
      const answers = (await Promise.all(infos)).filter((info) => info !== "");
      return (
        answers.length > this.nodes.length / 2 &&
        answers.every((info) => /cluster_state:ok/.test(String(info)))
      );
    };
    await until(isHealthy, "the cluster to be healthy");
  }

  /** Marks the slot as moving: from now on both nodes may have keys of it. */
  async beginMove(slot: number, source: RedisProcess, target: RedisProcess): Promise<void> {
    const [from, to] = [await this.idOf(source), await this.idOf(target)];
    await target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", from);
    await source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", to);
  }

  async moveKeys(slot: number, source: RedisProcess, target: RedisProcess): Promise<void> {
    const keys = await source.command("CLUSTER", "GETKEYSINSLOT", slot, 1000);
    if (!Array.isArray(keys) || keys.length === 0) return;
    const to = ["127.0.0.1", target.port, "", 0, 5000, "KEYS"] as const;
    await source.command("MIGRATE", ...to, ...(keys as string[]));
  }

  async endMove(slot: number, source: RedisProcess, target: RedisProcess): Promise<void> {
    const to = await this.idOf(target);
    for (const node of [target, source]) await node.command("CLUSTER", "SETSLOT", slot, "NODE", to);
  }

  async #assemble(): Promise<void> {
    const [first, ...others] = this.nodes;
    if (first === undefined) throw new Error("No nodes");
    const masters = this.nodes.slice(0, this.#masterCount);
    const replicas = this.nodes.slice(this.#masterCount);
    await Promise.all(
      this.nodes.map((node, i) => node.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)),
    );
    await Promise.all(
      masters.map((node, i) => {
        const bound = (index: number) => Math.round((slotCount * index) / masters.length);
        return node.command("CLUSTER", "ADDSLOTSRANGE", bound(i), bound(i + 1) - 1);
      }),
    );
    for (const { port } of others) await first.command("CLUSTER", "MEET", "127.0.0.1", port);
    const haveMet = async () => {
      const replies = this.nodes.map((node) => node.command("CLUSTER", "NODES"));
      const tables = (await Promise.all(replies)).map((reply) => String(reply).trim().split("\n"));
      return tables.every(
        (lines) => lines.length === this.nodes.length && !lines.join().includes("handshake"),
      );
    };
    await until(haveMet, "the nodes to meet");
    await Promise.all(
      replicas.map(async (replica, i) => {
        const id = await masters[i]?.command("CLUSTER", "MYID");
        await replica.command("CLUSTER", "REPLICATE", String(id));
      }),
    );
    const areAttached = async () => {
      const infos = replicas.map((replica) => replica.info("replication"));
      return (await Promise.all(infos)).every((info) => info.get("master_link_status") === "up");
    };
    await until(areAttached, "the replicas to be attached");
    await this.untilHealthy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}

function isDown(flags: readonly string[]): boolean {
  return flags.some((flag) => flag.startsWith("fail"));
}

function parse(line: string): NodeState {
  const [id = "", address = "", flags = "", masterId = "", , , , , ...slots] = line.split(" ");
  return {
    id,
    port: Number(/:(\d+)/.exec(address)?.[1]),
    flags: flags.split(","),
    masterId,
    slots: slots.filter((slot) => !slot.startsWith("[")),
  };
}
