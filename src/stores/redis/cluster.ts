/** Redis Cluster: a client for commands that never waits or repeats, and a path for subscriptions. */
import { createConnection } from "node:net";
import { connect as createTlsConnection } from "node:tls";
import { crc32 } from "node:zlib";
import { AbstractConnector, Cluster, type Redis, type RedisOptions } from "ioredis";
import { endpoint, hostAndPort, type ClusterAddress, type Endpoint } from "./address.ts";

/** All but what ioredis's types need to see in its place. */
export type LinkOptions = Omit<RedisOptions, "replyMapping">;

/** How often it asks which node has which slots, in milliseconds; a MOVED makes it ask at once. */
const slotsRefreshInterval = 5000;

/**
 * Each command goes out by itself: ioredis's pipelines send reads of many slots again and again until
 * they fail together, if one of the slots is just being moved. Whether it goes to another node after a
 * MOVED or an ASK, with which the first one refused it, is all that is ever sent twice: a node that is
 * lost, or a cluster that is down, is an error at once.
 */
export function clusterClient({ nodes }: ClusterAddress, options: LinkOptions): Cluster {
  const places = nodes.map((node) => endpoint(node));
  const { reconnectOnError: _, retryStrategy: __, enableOfflineQueue: ___, ...rest } = options;
  const cluster = new Cluster(places.map(hostAndPortOf), {
    enableOfflineQueue: false,
    maxRedirections: 5,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshInterval,
    // Names stay names, or no certificate would fit.
    dnsLookup: (name, found) => found(null, name),
    redisOptions: { ...rest, ...credentialsOf(places), replyMapping: "legacy" },
  });
  // Otherwise a node would be linked by its first command, and others that come meanwhile be refused.
  // Not before it is ready, which it finds out over a link of its own making.
  const reachNew = (node: Redis): void => {
    if (cluster.status === "ready") void reach(node);
  };
  return cluster
    .on("ready", () => void allReached(cluster))
    .on("+node", (node: Redis) => setImmediate(reachNew, node));
}

/** Resolves when there is a link to each node, or it has failed. */
export async function allReached(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes().map(reach));
}

async function reach(node: Redis): Promise<void> {
  // It waits for the link if that is being made.
  if (node.status !== "end") await node.ping().catch(() => {});
}

/**
 * The client, with all messages of a topic going out from one node, as long as the same ones are
 * there: ioredis would send each from any node, and they would overtake each other.
 */
export function publishingInOrder(cluster: Cluster): Cluster {
  const publish = async (topic: string, message: string): Promise<number> => {
    const linked = cluster.nodes("master").filter(({ status }) => status === "ready");
    const places = linked.map(({ options: { host = "", port = 0 } }) => `${host} ${port}`);
    const place = places.toSorted()[crc32(topic) % places.length];
    return (linked[places.indexOf(place ?? "")] ?? cluster).publish(topic, message);
  };
  return new Proxy(cluster, {
    get: (target, name): unknown => (name === "publish" ? publish : Reflect.get(target, name)),
  });
}

/**
 * Leads a subscriber to any one of the nodes, since a message reaches them all, and to another one each
 * time that the link is lost. The subscriber inside of ioredis's cluster client would be replaced
 * without a word, and what was said meanwhile be missed.
 */
export class ClusterPath {
  readonly options: LinkOptions;
  readonly #places: readonly Endpoint[];
  readonly #commands: unknown;
  #current: Endpoint | undefined;

  constructor({ nodes }: ClusterAddress, commands: unknown) {
    this.#places = nodes.map((node) => endpoint(node));
    this.#commands = commands;
    const next = () => this.#next();
    const credentials = credentialsOf(this.#places);
    const { tls } = credentials;
    class Connector extends AbstractConnector {
      constructor() {
        super(2000);
      }

      override connect() {
        this.connecting = true;
        const place = { ...hostAndPortOf(next()), ...tls };
        this.stream = tls ? createTlsConnection(place) : createConnection(place);
        this.stream.once("error", (error: Error) => (this.firstError = error));
        return Promise.resolve(this.stream);
      }
    }
    this.options = { ...credentials, Connector };
  }

  /** Whether its node has left the cluster: then it hears nothing more, and says nothing of it. */
  isStale(): boolean {
    const known = this.#known();
    return known.length > 0 && !known.some((place) => isSame(place, this.#current));
  }

  #next(): Endpoint {
    const known = this.#known();
    const places = known.length > 0 ? known : this.#places;
    const others = places.filter((place) => !isSame(place, this.#current));
    const choice = others.length > 0 ? others : places;
    const next = choice[Math.floor(Math.random() * choice.length)];
    if (next === undefined) throw new Error("A cluster has at least one node");
    return (this.#current = next);
  }

  #known(): readonly Endpoint[] {
    if (!(this.#commands instanceof Cluster)) return [];
    return this.#commands.nodes().map(({ options: { host = "", port = 0 } }) => ({ host, port }));
  }
}

/** A cluster's nodes are one to who asks: the same user, password and TLS for all. */
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

function isSame(one: Endpoint, other: Endpoint | undefined): boolean {
  return other !== undefined && hostAndPort(one) === hostAndPort(other);
}
