/** What sockets and sessions take, as docs/operations.md calculates it: figures of one of each, and how they add up. */

/** Measured by `npm run capacity`; the same are in docs/operations.md. Bytes, and microseconds of CPU. */
export const inputs = {
  /** A node without connections, warmed up. */
  node: 200e6,
  /** A socket that does nothing, under a session of its own. */
  socket: 11_000,
  /** One subscription on it. */
  subscription: 5_000,
  /** An empty Redis with the links of one node. */
  redis: 1.55e6,
  /** A session with the list of its user, whose only one it is, and a user agent of 13 letters. */
  session: 745,
  /** A session that has connections on a node: the channel that the node listens to. */
  channel: 239,
  /** To read one session again: CPU of the node, and of Redis. */
  recheck: 3.2,
  recheckOfRedis: 0.35,
  /** A request over HTTP, its check with it: CPU of the node. */
  request: 80,
} as const;

export type Inputs = Readonly<Record<keyof typeof inputs, number>>;

/** Sessions that one command to Redis reads again; on a cluster it is one. */
const sessionsAtOnce = 100;

export interface Site {
  readonly nodes: number;
  /** In all, each under a session of its own and with one subscription. */
  readonly sockets: number;
  readonly sessions: number;
  /** Seconds. */
  readonly recheckInterval: number;
}

/** Of a site whose sockets are spread evenly. */
export function predict({ nodes, sockets, sessions, recheckInterval }: Site, of: Inputs = inputs) {
  const each = sockets / nodes;
  /** Of one core. */
  const share = (microseconds: number) => microseconds / (recheckInterval * 1e6);
  const recheckCpu = share(each * of.recheck);
  return {
    /** Bytes of each node, before and after the subscriptions. */
    nodeIdle: of.node + each * of.socket,
    node: of.node + each * (of.socket + of.subscription),
    /** Bytes of all of Redis, before and after there are sockets. */
    redisIdle: of.redis + sessions * of.session,
    redis: of.redis + sessions * of.session + sockets * of.channel,
    /** Commands a second that Redis gets for rechecks. */
    recheckCommands: sockets / recheckInterval / sessionsAtOnce,
    /** The share of one core that rechecks take of each node, and of Redis. */
    recheckCpu,
    redisCpu: share(sockets * of.recheckOfRedis),
    /** Requests that a node answers in a second with the rest of one core. */
    requests: (1 - recheckCpu) * (1e6 / of.request),
  };
}
