/** What runs on this node under one session, and until when each of it may. */
import type { ConnectionLifecycle } from "./lifecycle.ts";
import type { SessionMessage } from "../session/messages.ts";
import { isSameNetwork, sessionNetworkOf } from "../lib/client-network.ts";
import { latestNetwork, type Device, type SessionExpiry } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import type { Unsubscribe } from "../session/pubsub.ts";
import type { ConnectionObserver } from "./observer.ts";

/** A connection or a slow request, with what counts of the tokens that were shown on it. */
export interface Connection {
  readonly lifecycle: ConnectionLifecycle;
  readonly device: Pick<Device, "ipAddress">;
  /** That of the newest token shown on it. */
  generation: number;
  /**
   * Its deadline (epoch ms): the expiry of the newest token shown on it, or of one that a renewal from its
   * network made since. Infinity for a request, which is answered however long it takes.
   */
  expiresAt: number;
}

/** One that has shown no token yet. */
export function newConnection(
  lifecycle: ConnectionLifecycle,
  device: Connection["device"],
): Connection {
  return { lifecycle, device, generation: 0, expiresAt: 0 };
}

/** All connections of one session: they share a topic, and one deadline at the earliest of theirs. */
export interface SessionConnections {
  readonly fingerprint: string;
  readonly connections: Set<Connection>;
  /** Requests that are slow to be answered: they end with the session, but are no connections. Few have any. */
  requests: Set<Connection> | undefined;
  readonly subscribed: Promise<Unsubscribe>;
  /** What was last read or heard of the session. */
  accessExpiresAt: number;
  minGeneration: number;
  /** The earliest deadline of the connections; Infinity when none is set. */
  deadline: number;
  cancelDeadline: () => void;
  /** When the store was last asked for it and answered, by `uptime`. */
  answeredAt: number;
  /** It was asked since, and did not. */
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

/** Whether there are connections of which no end is known. */
export function hasOpen({ connections }: SessionConnections): boolean {
  return connections.values().some(({ lifecycle }) => lifecycle.closeReason === undefined);
}

/** Moves a member's deadline, forward only, and its generation by a token that was shown on it. */
export function showOn(
  member: Connection,
  { generation, expiresAt }: Pick<Claims, "generation" | "expiresAt">,
): void {
  member.generation = Math.max(member.generation, generation);
  member.expiresAt = Math.max(member.expiresAt, expiresAt);
}

/** Moves the deadlines of those that are in the network from which the session was last renewed. */
export function extendByNetwork(members: Iterable<Connection>, standing: SessionExpiry): void {
  const { accessExpiresAt } = standing;
  const network = latestNetwork(standing);
  for (const member of members) {
    if (accessExpiresAt <= member.expiresAt) continue;
    if (isSameNetwork(sessionNetworkOf(member.device.ipAddress), network))
      member.expiresAt = accessExpiresAt;
  }
}

/** The earliest deadline of its connections; Infinity when there is none. */
export function earliestDeadline({ connections }: SessionConnections): number {
  let earliest = Infinity;
  for (const { lifecycle, expiresAt } of connections)
    if (lifecycle.closingFor === undefined && expiresAt < earliest) earliest = expiresAt;
  return earliest;
}

/** Those whose deadline has come, and which are not closing yet. */
export function dueConnections({ connections }: SessionConnections, now: number): Connection[] {
  return [...connections].filter(
    ({ lifecycle, expiresAt }) => lifecycle.closingFor === undefined && expiresAt <= now,
  );
}

/** Those that showed no token of an accepted generation, and which do not know it yet. */
export function supersededMembers(group: SessionConnections): Connection[] {
  const { minGeneration } = group;
  return connectionsAndRequests(group).filter(
    ({ lifecycle, generation }) => generation < minGeneration && !lifecycle.isRevoked,
  );
}

/** Before they are ended, each once: a message may come twice, and those that wait for an answer stay a while. */
export function observeClosing(
  { connections }: SessionConnections,
  end: SessionMessage & { readonly type: "ended" },
  observer: ConnectionObserver,
): void {
  const open = [...connections].filter(({ lifecycle }) => lifecycle.closeReason === undefined);
  if (open.length === 0) return;
  const closed = observer.closing(end, open.length);
  for (const { lifecycle } of open) lifecycle.onEnd(closed);
}
