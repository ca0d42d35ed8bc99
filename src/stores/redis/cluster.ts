/** Redis Cluster: a client for commands that neither queues nor repeats them, and a connector for subscriptions. */
import { createConnection } from "node:net";
import { connect as createTlsConnection } from "node:tls";
import { crc32 } from "node:zlib";
import { AbstractConnector, Cluster, type Redis, type RedisOptions } from "ioredis";
import { endpoint, hostAndPort, type ClusterAddress, type Endpoint } from "./address.ts";

/** Without `replyMapping`: ioredis's types need to see it in a literal. */
export type LinkOptions = Omit<RedisOptions, "replyMapping">;

/** How often the client reads which node has which slots (ms). A MOVED reply makes it read them at once. */
const slotsRefreshInterval = 5000;

/**
 * Sends each command by itself: if one of its slots is being moved, ioredis repeats a pipeline of reads
 * until all of them fail. A command is sent a second time only after MOVED or ASK, with which the first node
 * refused it. A lost node or a cluster that is down is an error at once.
 */
export function clusterClient({ nodes }: ClusterAddress, options: LinkOptions): Cluster {
  const endpoints = nodes.map((node) => endpoint(node));
  const { reconnectOnError: _, retryStrategy: __, enableOfflineQueue: ___, ...rest } = options;
  const cluster = new Cluster(endpoints.map(hostAndPortOf), {
    enableOfflineQueue: false,
    maxRedirections: 5,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshInterval,
    // Host names are not resolved here, or no certificate would match.
    dnsLookup: (name, found) => found(null, name),
    redisOptions: { ...rest, ...credentialsOf(endpoints), replyMapping: "legacy" },
  });
  // Connects to new nodes early: else the first command would connect, and others meanwhile be refused.
  // Not before the cluster is ready, which it finds out over a connection of its own.
  const reachNew = (node: Redis): void => {
    if (cluster.status === "ready") void reach(node);
  };
  return cluster
    .on("ready", () => void allReached(cluster))
    .on("+node", (node: Redis) => setImmediate(reachNew, node));
}

/** Resolves when each node is connected or has failed to connect. */
export async function allReached(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes().map(reach));
}

async function reach(node: Redis): Promise<void> {
  // A ping waits for a connection that is being opened.
  if (node.status !== "end") await node.ping().catch(() => {});
}

/**
 * The client, with all messages of a topic published through one node while the set of nodes is unchanged:
 * ioredis would send each through any node, and messages could overtake each other.
 */
export function publishingInOrder(cluster: Cluster): Cluster {
  const publish = async (topic: string, message: string): Promise<number> => {
    const connected = cluster.nodes("master").filter(({ status }) => status === "ready");
    const names = connected.map(({ options: { host = "", port = 0 } }) => `${host} ${port}`);
    const name = names.toSorted()[crc32(topic) % names.length];
    return (connected[names.indexOf(name ?? "")] ?? cluster).publish(topic, message);
  };
  return new Proxy(cluster, {
    get: (target, name): unknown => (name === "publish" ? publish : Reflect.get(target, name)),
  });
}

/**
 * Connects a subscriber to any one of the nodes, since every message reaches all of them, and to another
 * one after each disconnect. ioredis's cluster client would replace its own subscriber without an event, so
 * missed messages would go unnoticed.
 */
export class ClusterPath {
  readonly options: LinkOptions;
  readonly #seeds: readonly Endpoint[];
  readonly #commands: unknown;
  #current: Endpoint | undefined;

  constructor({ nodes }: ClusterAddress, commands: unknown) {
    this.#seeds = nodes.map((node) => endpoint(node));
    this.#commands = commands;
    const next = () => this.#next();
    const credentials = credentialsOf(this.#seeds);
    const { tls } = credentials;
    class Connector extends AbstractConnector {
      constructor() {
        super(2000);
      }

      override connect() {
        this.connecting = true;
        const target = { ...hostAndPortOf(next()), ...tls };
        this.stream = tls ? createTlsConnection(target) : createConnection(target);
        this.stream.once("error", (error: Error) => (this.firstError = error));
        return Promise.resolve(this.stream);
      }
    }
    this.options = { ...credentials, Connector };
  }

  /** Whether the node has left the cluster: then it receives no more messages, without an error. */
  isStale(): boolean {
    const known = this.#known();
    return known.length > 0 && !known.some((node) => isSameEndpoint(node, this.#current));
  }

  #next(): Endpoint {
    const known = this.#known();
    const nodes = known.length > 0 ? known : this.#seeds;
    const others = nodes.filter((node) => !isSameEndpoint(node, this.#current));
    const choice = others.length > 0 ? others : nodes;
    const next = choice[Math.floor(Math.random() * choice.length)];
    if (next === undefined) throw new Error("A cluster has at least one node");
    return (this.#current = next);
  }

  #known(): readonly Endpoint[] {
    if (!(this.#commands instanceof Cluster)) return [];
    return this.#commands.nodes().map(({ options: { host = "", port = 0 } }) => ({ host, port }));
  }
}

/** User, password and TLS of the first node, which apply to all nodes of the cluster. */
function credentialsOf([first]: readonly Endpoint[]) {
  const { username, password, tls } = first ?? {};
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
  };
}

function hostAndPortOf({ host, port }: Endpoint) {
  return { host, port };
}

function isSameEndpoint(one: Endpoint, other: Endpoint | undefined): boolean {
  return other !== undefined && hostAndPort(one) === hostAndPort(other);
}
