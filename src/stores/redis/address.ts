/** Redis addresses as operators write them: one server, nodes of a cluster, or Sentinels and a master name. */
export interface ClusterAddress {
  /** Some of the nodes, as `host:port` or URLs. */
  readonly nodes: readonly string[];
}

export interface SentinelAddress {
  /** `host:port` or URLs. Their user, password and TLS are for the Sentinels themselves. */
  readonly sentinels: readonly string[];
  /** The master's name, or a URL with the name as its host, for user, password, TLS and database. */
  readonly name: string;
}

export type RedisAddress = string | ClusterAddress | SentinelAddress;

/** Connection options with the names of ioredis. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls?: object;
}

const sentinelPort = 26_379;

export const wrongUrl = "The Redis URL is wrong: it looks like redis://user:password@host:6379/0";

/** @throws Error that does not quote the text, because it may contain a password */
export function endpoint(text: string, defaultPort = 6379): Endpoint {
  const url = URL.parse(text.includes("://") ? text : `redis://${text}`);
  if (url === null || !/^rediss?:$/.test(url.protocol) || !url.hostname || !isDatabase(url))
    throw new Error(wrongUrl);
  const { protocol, hostname, port, username, password, pathname } = url;
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? defaultPort : Number(port),
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
    ...(pathname.length > 1 && { db: Number(pathname.slice(1)) }),
    ...(protocol === "rediss:" && { tls: {} }),
  };
}

export function sentinelEndpoint(text: string): Endpoint {
  return endpoint(text, sentinelPort);
}

/** The number of the database. A cluster has only 0. */
export function databaseOf(address: RedisAddress): number {
  if (typeof address === "string") return endpoint(address).db ?? 0;
  return "name" in address ? (endpoint(address.name).db ?? 0) : 0;
}

/** Describes the address in messages, without secrets. */
export function describeAddress(address: RedisAddress): string {
  const list = (endpoints: readonly Endpoint[]) => endpoints.map(hostAndPort).join(", ");
  if (typeof address === "string") return `Redis at ${hostAndPort(endpoint(address))}`;
  if ("nodes" in address)
    return `The Redis cluster at ${list(address.nodes.map((node) => endpoint(node)))}`;
  const { name, sentinels } = address;
  const { host } = endpoint(name);
  return `The Redis that the Sentinels at ${list(sentinels.map(sentinelEndpoint))} call ${host}`;
}

export function hostAndPort({ host, port }: Pick<Endpoint, "host" | "port">): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function isDatabase({ pathname }: URL): boolean {
  return /^(\/\d*)?$/.test(pathname);
}
