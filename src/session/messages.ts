/** What nodes tell each other about sessions, and on which topics. */
import { endReasons, type EndReason } from "../protocol/end-reasons.ts";
import { toSession, type Session } from "./session.ts";

/** Said on the topic of the session. */
export type SessionMessage = { readonly fingerprint: string } & (
  | { readonly type: "renewed"; readonly session: Session }
  | {
      readonly type: "ended";
      readonly session: Session;
      readonly reason: EndReason;
      /** When the store had ended it, in epoch milliseconds; nodes of earlier versions do not say it. */
      readonly at?: number;
    }
  /** A renewal token of it was replayed from a network that it does not know; earlier versions ignore this. */
  | { readonly type: "replayed"; readonly session: Session; readonly address: string | null }
  /** It may have ended, without an answer of the store to say so: look for yourselves. */
  | { readonly type: "uncertain" }
);

/** Said on the topic of the user. */
export type UserMessage = { readonly type: "started"; readonly session: Session };

/** The one place that names a session's topic: sender and receiver cannot spell it apart. */
export function sessionTopic(fingerprint: string): string {
  return `curfew:session:${fingerprint}`;
}

export function userTopic(userId: string): string {
  return `curfew:user:${userId}`;
}

/** Undefined for what a later version, or somebody else, said on the topic. */
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
  // A reason of a later version: that it ended is what matters, and can be looked up.
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
