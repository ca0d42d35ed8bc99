/** What nodes tell each other about sessions, and on which topics. */
import { endReasons, type EndReason } from "./reasons.ts";
import type { Session } from "./session.ts";

/** Said on the topic of the session. */
export type SessionMessage =
  | { readonly type: "renewed"; readonly session: Session }
  | { readonly type: "ended"; readonly session: Session; readonly reason: EndReason };

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
  if (!isRecord(message) || !isSession(message["session"])) return undefined;
  const { type, session, reason } = message;
  if (type === "renewed") return { type, session };
  const known = endReasons.find((one) => one === reason);
  return type === "ended" && known !== undefined ? { type, session, reason: known } : undefined;
}

export function readUserMessage(message: unknown): UserMessage | undefined {
  if (!isRecord(message) || message["type"] !== "started") return undefined;
  const { session } = message;
  return isSession(session) ? { type: "started", session } : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

const numbers = [
  "generation",
  "createdAt",
  "renewedAt",
  "lastSeenAt",
  "accessExpiresAt",
  "idleExpiresAt",
  "absoluteExpiresAt",
  "graceEndsAt",
] as const satisfies readonly (keyof Session)[];

function isSession(value: unknown): value is Session {
  return (
    isRecord(value) &&
    typeof value["fingerprint"] === "string" &&
    typeof value["userId"] === "string" &&
    numbers.every((field) => Number.isSafeInteger(value[field]))
  );
}
