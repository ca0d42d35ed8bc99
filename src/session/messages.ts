/** The messages that nodes publish about sessions, and their topics. */
import { toEndReason, type EndReason } from "../protocol/end-reasons.ts";
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

/** The topic of a session, for publishers and subscribers alike. */
export function sessionTopic(fingerprint: string): string {
  return `curfew:session:${fingerprint}`;
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
  const known = toEndReason(reason);
  // A reason of a later version: a recheck finds that the session has ended.
  if (known === undefined) return { type: "uncertain", fingerprint };
  return { type, fingerprint, session, reason: known, ...(isTime(at) && { at }) };
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
