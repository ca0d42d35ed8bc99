/** What runs on this node under one session, and until when each of it may. */
import type { Life } from "./lifecycle.ts";
import type { SessionMessage } from "../session/messages.ts";
import { isSameNetwork, sessionNetworkOf } from "../lib/client-network.ts";
import { latestNetwork, type Device, type Standing } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import type { Unsubscribe } from "../session/pubsub.ts";
import type { Meter } from "./observer.ts";

/** A connection or a slow request, with what counts of the tokens that were shown on it. */
export interface Member {
  readonly life: Life;
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
export function newMember(life: Life, device: Member["device"]): Member {
  return { life, device, generation: 0, expiresAt: 0 };
}

/** All connections of one session: they share a topic, and one deadline at the earliest of theirs. */
export interface Group {
  readonly fingerprint: string;
  readonly connections: Set<Member>;
  /** Requests that are slow to be answered: they end with the session, but are no connections. Few have any. */
  requests: Set<Member> | undefined;
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
  isUnanswered: boolean;
}

export function sizeOf({ connections, requests }: Group): number {
  return connections.size + (requests?.size ?? 0);
}

export function membersOf({ connections, requests }: Group): Member[] {
  return [...connections, ...(requests ?? [])];
}

/** Whether there are connections of which no end is known. */
export function hasOpen({ connections }: Group): boolean {
  return connections.values().some(({ life }) => life.ending === undefined);
}

/** Moves a member's deadline, forward only, and its generation by a token that was shown on it. */
export function showOn(
  member: Member,
  { generation, expiresAt }: Pick<Claims, "generation" | "expiresAt">,
): void {
  member.generation = Math.max(member.generation, generation);
  member.expiresAt = Math.max(member.expiresAt, expiresAt);
}

/** Moves the deadlines of those that are in the network from which the session was last renewed. */
export function extendByNetwork(members: Iterable<Member>, standing: Standing): void {
  const { accessExpiresAt } = standing;
  const network = latestNetwork(standing);
  for (const member of members) {
    if (accessExpiresAt <= member.expiresAt) continue;
    if (isSameNetwork(sessionNetworkOf(member.device.ipAddress), network))
      member.expiresAt = accessExpiresAt;
  }
}

/** The earliest deadline of its connections; Infinity when there is none. */
export function earliestDeadline({ connections }: Group): number {
  let earliest = Infinity;
  for (const { life, expiresAt } of connections)
    if (life.closing === undefined && expiresAt < earliest) earliest = expiresAt;
  return earliest;
}

/** Those whose deadline has come, and which are not closing yet. */
export function dueConnections({ connections }: Group, now: number): Member[] {
  return [...connections].filter(
    ({ life, expiresAt }) => life.closing === undefined && expiresAt <= now,
  );
}

/** Those that showed no token of an accepted generation, and which do not know it yet. */
export function supersededMembers(group: Group): Member[] {
  const { minGeneration } = group;
  return membersOf(group).filter(
    ({ life, generation }) => generation < minGeneration && !life.isRevoked,
  );
}

/** Before they are ended, each once: a message may come twice, and those that wait for an answer stay a while. */
export function tellOfClosing(
  { connections }: Group,
  end: SessionMessage & { readonly type: "ended" },
  meter: Meter,
): void {
  const open = [...connections].filter(({ life }) => life.ending === undefined);
  if (open.length === 0) return;
  const closed = meter.closing(end, open.length);
  for (const { life } of open) life.onEnd(closed);
}
