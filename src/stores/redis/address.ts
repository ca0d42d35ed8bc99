/** Where Redis is, as operators write it: one server, the nodes of a cluster, or Sentinels and a name. */
export interface ClusterAddress {
  /** `host:port` or URLs, of some of the nodes. */
  readonly nodes: readonly string[];
}

export interface SentinelAddress {
  /** `host:port` or URLs; user, password and TLS in these are for the Sentinels themselves. */
  readonly sentinels: readonly string[];
  /** What they call the master, or a URL with that as its host, for user, password, TLS and database. */
  readonly name: string;
}

export type RedisAddress = string | ClusterAddress | SentinelAddress;

/** In ioredis's words. */
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

/** @throws Error that does not quote the text, since it may hold a password. */
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

/** For messages: nothing secret. */
export function describeAddress(address: RedisAddress): string {
  const places = (endpoints: readonly Endpoint[]) => endpoints.map(hostAndPort).join(", ");
  if (typeof address === "string") return `Redis at ${hostAndPort(endpoint(address))}`;
  if ("nodes" in address)
    return `The Redis cluster at ${places(address.nodes.map((node) => endpoint(node)))}`;
  const { name, sentinels } = address;
  const { host } = endpoint(name);
  return `The Redis that the Sentinels at ${places(sentinels.map(sentinelEndpoint))} call ${host}`;
}

export function hostAndPort({ host, port }: Pick<Endpoint, "host" | "port">): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function isDatabase({ pathname }: URL): boolean {
  return /^(\/\d*)?$/.test(pathname);
}
