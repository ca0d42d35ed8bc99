/** The messages that nodes publish about sessions, and their topics. */
import { endReasons, type EndReason } from "../protocol/end-reasons.ts";
import type { SessionEnd } from "./ends.ts";
import { toSession, type Session } from "./session.ts";

/** Published on the session's topic. */
export type SessionMessage = { readonly fingerprint: string } & (
  | { readonly type: "renewed"; readonly session: Session }
  | {
      readonly type: "ended";
      readonly session: Session;
      readonly reason: EndReason;
      /** When the store had ended it, in epoch milliseconds. Nodes of earlier versions do not send it. */
      readonly at?: number;
    }
  /** A foreign replay: a renewal token was replayed from a network that the session does not know. Earlier versions ignore it. */
  | { readonly type: "replayed"; readonly session: Session; readonly address: string | null }
  /** The session may have ended, but the store did not confirm it: each node must recheck it. */
  | { readonly type: "uncertain" }
);

/** Published on the user's topic. */
export type UserMessage = { readonly type: "started"; readonly session: Session };

/** Published on {@link endsTopic}. Nodes know the recent ends of all sessions, and pass them on to nodes that start. */
export type EndsMessage =
  | ({ readonly type: "ended" } & SessionEnd)
  /** A node asks for the ends that other nodes heard in the last `within` milliseconds. */
  | { readonly type: "endsRequested"; readonly by: string; readonly within: number }
  /** A node that has listened for `listening` milliseconds is about to send its ends, on the asking node's own topic. */
  | {
      readonly type: "endsOffered";
      readonly to: string;
      readonly by: string;
      readonly listening: number;
    };

/** Published on the own topic of a node that asked. */
export interface EndsReply {
  readonly ends: readonly SessionEnd[];
  readonly isLast: boolean;
}

/** The topic of a session, for publishers and subscribers alike. */
export function sessionTopic(fingerprint: string): string {
  return `curfew:session:${fingerprint}`;
}

/** Carries the end of every session to every node. */
export const endsTopic = "curfew:ends";

/** Where a node that asked for ends receives them. */
export function endsTopicOf(nodeId: string): string {
  return `${endsTopic}:${nodeId}`;
}

export function userTopic(userId: string): string {
  return `curfew:user:${userId}`;
}

/** Undefined for a message of a later version or of another program. */
export function readSessionMessage(message: unknown): SessionMessage | undefined {
  if (!isRecord(message)) return undefined;
  const { type, fingerprint, reason, at, address } = message;
  if (typeof fingerprint !== "string") return undefined;
  if (type === "uncertain") return { type, fingerprint };
  const session = toSession(message["session"]);
  if (session?.fingerprint !== fingerprint) return undefined;
  if (type === "renewed") return { type, fingerprint, session };
  if (type === "replayed") {
    const from = typeof address === "string" ? address : null;
    return { type, fingerprint, session, address: from };
  }
  if (type !== "ended" || typeof reason !== "string") return undefined;
  const known = endReasons.find((one) => one === reason);
  // A reason of a later version: a recheck finds that the session has ended.
  if (known === undefined) return { type: "uncertain", fingerprint };
  return { type, fingerprint, session, reason: known, ...(isTime(at) && { at }) };
}

/** Undefined for a message of a later version or of another program. */
export function readEndsMessage(message: unknown): EndsMessage | undefined {
  if (!isRecord(message)) return undefined;
  const { type, by, within, to, listening } = message;
  const end = toEnd(message);
  if (type === "ended") return end && { type, ...end };
  if (typeof by !== "string") return undefined;
  if (type === "endsRequested" && isTime(within)) return { type, by, within };
  if (type === "endsOffered" && typeof to === "string" && isTime(listening))
    return { type, to, by, listening };
  return undefined;
}

/** Leaves out the ends that are not understood. */
export function readEndsReply(message: unknown): EndsReply | undefined {
  if (!isRecord(message) || !Array.isArray(message["ends"])) return undefined;
  const ends = message["ends"].map(toEnd).filter((end) => end !== undefined);
  return { ends, isLast: message["isLast"] === true };
}

function toEnd(value: unknown): SessionEnd | undefined {
  if (!isRecord(value)) return undefined;
  const { fingerprint, reason, at } = value;
  const known = endReasons.find((one) => one === reason);
  if (typeof fingerprint !== "string" || known === undefined || !isTime(at)) return undefined;
  return { fingerprint, reason: known, at };
}

export function readUserMessage(message: unknown): UserMessage | undefined {
  if (!isRecord(message) || message["type"] !== "started") return undefined;
  const session = toSession(message["session"]);
  return session && { type: "started", session };
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
