/** The capacity model of docs/operations.md: the cost of one socket, session and so on, and how the costs add up. */

/** Bytes and microseconds of CPU, measured by `npm run capacity`. docs/operations.md has the same figures. */
export const inputs = {
  /** A warmed-up node without connections. */
  node: 200e6,
  /** An idle socket under a session of its own. */
  socket: 11_000,
  /** One subscription on it. */
  subscription: 5_000,
  /** An empty Redis with the connections of one node. */
  redis: 1.55e6,
  /** A session, as the only one in its user's list, with a user agent of 13 letters. */
  session: 745,
  /** The channel of a session that has connections on a node. */
  channel: 239,
  /** Reading one session again: CPU of the node, and of Redis. */
  recheck: 3.2,
  recheckOfRedis: 0.35,
  /** An HTTP request with its session check: CPU of the node. */
  request: 80,
} as const;

export type Inputs = Readonly<Record<keyof typeof inputs, number>>;

/** Sessions that one recheck command to Redis reads; on a cluster, one. */
const sessionsAtOnce = 100;

export interface Site {
  readonly nodes: number;
  /** In total, each under a session of its own and with one subscription. */
  readonly sockets: number;
  readonly sessions: number;
  /** Seconds. */
  readonly recheckInterval: number;
}

/** Predicts the load of a site whose sockets are spread evenly over its nodes. */
export function predict({ nodes, sockets, sessions, recheckInterval }: Site, of: Inputs = inputs) {
  const each = sockets / nodes;
  /** The share of one core. */
  const share = (microseconds: number) => microseconds / (recheckInterval * 1e6);
  const recheckCpu = share(each * of.recheck);
  return {
    /** Bytes of each node, before and after the subscriptions. */
    nodeIdle: of.node + each * of.socket,
    node: of.node + each * (of.socket + of.subscription),
    /** Bytes of all of Redis, before and after there are sockets. */
    redisIdle: of.redis + sessions * of.session,
    redis: of.redis + sessions * of.session + sockets * of.channel,
    /** Commands per second that Redis receives for rechecks. */
    recheckCommands: sockets / recheckInterval / sessionsAtOnce,
    /** The share of one core that rechecks use on each node, and on Redis. */
    recheckCpu,
    redisCpu: share(sockets * of.recheckOfRedis),
    /** Requests per second that a node answers with the rest of one core. */
    requests: (1 - recheckCpu) * (1e6 / of.request),
  };
}
