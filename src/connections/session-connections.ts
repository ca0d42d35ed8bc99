/** The connections of one session on this node, and the deadline of each. */
import type { ConnectionLifecycle } from "./lifecycle.ts";
import type { ReportedEnd } from "../session/ends.ts";
import { isSameNetwork, sessionNetworkOf } from "../lib/client-network.ts";
import { latestNetwork, type Device, type SessionExpiry } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import type { Unsubscribe } from "../session/pubsub.ts";
import type { ConnectionObserver } from "./observer.ts";

/** A socket, a stream or a slow request, with the limits of the tokens that were presented on it. */
export interface Connection {
  readonly lifecycle: ConnectionLifecycle;
  readonly device: Pick<Device, "ipAddress">;
  /** Generation of the newest token presented on it. */
  generation: number;
  /**
   * Its deadline (epoch ms): the expiry of the newest token presented on it, or of one that a renewal from the
   * same network has issued since. Infinity for a request, which is answered however long it takes.
   */
  expiresAt: number;
}

/** A connection on which no token was presented yet. */
export function newConnection(
  lifecycle: ConnectionLifecycle,
  device: Connection["device"],
): Connection {
  return { lifecycle, device, generation: 0, expiresAt: 0 };
}

/** Whether it is a slow request, and not a socket or a stream. */
export function isSlowRequest({ expiresAt }: Connection): boolean {
  return expiresAt === Infinity;
}

/** All connections of one session. They share one subscription, and one timer at their earliest deadline. */
export interface SessionConnections {
  readonly fingerprint: string;
  readonly connections: Set<Connection>;
  /** Slow requests: they end with the session, but do not count as connections. Undefined in most sessions. */
  requests: Set<Connection> | undefined;
  readonly subscribed: Promise<Unsubscribe>;
  /** The session's latest known state, from the store or from a message. */
  accessExpiresAt: number;
  minGeneration: number;
  /** The earliest deadline for which a timer is set; Infinity when there is none. */
  deadline: number;
  cancelDeadline: () => void;
  /** When the last read that the store answered began, by `uptime`. */
  answeredAt: number;
  /** Whether the store failed to answer a later read. */
  isStale: boolean;
}

export function sizeOf({ connections, requests }: SessionConnections): number {
  return connections.size + (requests?.size ?? 0);
}

export function connectionsAndRequests({
  connections,
  requests,
}: SessionConnections): Connection[] {
  return [...connections, ...(requests ?? [])];
}

/** Whether the end of at least one connection is not known yet. */
export function hasOpen({ connections }: SessionConnections): boolean {
  return connections.values().some(({ lifecycle }) => lifecycle.closeReason === undefined);
}

/** Applies a token that was presented on the connection. Neither deadline nor generation moves back. */
export function presentOn(
  connection: Connection,
  { generation, expiresAt }: Pick<Claims, "generation" | "expiresAt">,
): void {
  connection.generation = Math.max(connection.generation, generation);
  connection.expiresAt = Math.max(connection.expiresAt, expiresAt);
}

/** Moves the deadlines of the connections in the network from which the session was last renewed. */
export function extendByNetwork(connections: Iterable<Connection>, session: SessionExpiry): void {
  const { accessExpiresAt } = session;
  const network = latestNetwork(session);
  for (const connection of connections) {
    if (accessExpiresAt <= connection.expiresAt) continue;
    if (isSameNetwork(sessionNetworkOf(connection.device.ipAddress), network))
      connection.expiresAt = accessExpiresAt;
  }
}

/** The earliest deadline of the connections that are not closing; Infinity when there is none. */
export function earliestDeadline({ connections }: SessionConnections): number {
  let earliest = Infinity;
  for (const { lifecycle, expiresAt } of connections)
    if (lifecycle.closingFor === undefined && expiresAt < earliest) earliest = expiresAt;
  return earliest;
}

/** Connections past their deadline that are not closing yet. */
export function dueConnections({ connections }: SessionConnections, now: number): Connection[] {
  return [...connections].filter(
    ({ lifecycle, expiresAt }) => lifecycle.closingFor === undefined && expiresAt <= now,
  );
}

/** Connections and requests without a token of an accepted generation that are not marked as revoked yet. */
export function supersededConnections(group: SessionConnections): Connection[] {
  const { minGeneration } = group;
  return connectionsAndRequests(group).filter(
    ({ lifecycle, generation }) => generation < minGeneration && !lifecycle.isRevoked,
  );
}

/**
 * Reports each connection that is about to end to the observer, once: a message may arrive twice, and a connection
 * that waits for a reply stays open meanwhile. To be called before the connections end.
 */
export function observeClosing(
  { connections }: SessionConnections,
  end: ReportedEnd,
  observer: ConnectionObserver,
): void {
  const open = [...connections].filter(({ lifecycle }) => lifecycle.closeReason === undefined);
  if (open.length === 0) return;
  const closed = observer.closing(end, open.length);
  for (const { lifecycle } of open) lifecycle.onEnd(closed);
}
