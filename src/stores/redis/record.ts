/** The value of a session's key in Redis: the session as JSON, or why it ended. */
import { endReasons, type EndReason } from "../../protocol/end-reasons.ts";
import { toSession, type Session } from "../../session/session.ts";

export function encode(session: Session): string {
  const { userAgent, ipAddress } = session;
  // Each field by name, so that a new one does not compile until its encoding is decided.
  const record = {
    fingerprint: session.fingerprint,
    userId: session.userId,
    generation: session.generation,
    createdAt: session.createdAt,
    renewedAt: session.renewedAt,
    lastSeenAt: session.lastSeenAt,
    accessExpiresAt: session.accessExpiresAt,
    idleExpiresAt: session.idleExpiresAt,
    absoluteExpiresAt: session.absoluteExpiresAt,
    graceEndsAt: session.graceEndsAt,
    minGeneration: session.minGeneration,
    networks: session.networks,
    foreignReplays: session.foreignReplays,
    foreignReplayGeneration: session.foreignReplayGeneration,
    securityVersion: session.securityVersion,
    // A client's text may contain lone surrogates, which the scripts' JSON decoder refuses.
    userAgent: userAgent?.toWellFormed() ?? null,
    ipAddress: ipAddress?.toWellFormed() ?? null,
  } satisfies Record<keyof Session, unknown>;
  return JSON.stringify(record);
}

/**
 * The text that takes the place of the record of an ended session. A key of its own would be in the way while the
 * slot is moved to another node: scripts with two keys fail then. Nodes of earlier versions take this text for an
 * expired session.
 *
 * @param reason undefined if it is not known
 */
export function encodeEnd(reason: EndReason | undefined): string {
  return JSON.stringify({ idleExpiresAt: 0, endReason: reason ?? "UNKNOWN" });
}

/** `endReasonOf` in record-in-lua.ts. */
const endRecord = /^\{"idleExpiresAt":0,"endReason":"([A-Z_]+)"\}$/;

/** The value of a session's key. */
export type RecordReading =
  | { readonly state: "session"; readonly session: Session }
  /** Without a reason if it is one of a later version. */
  | { readonly state: "ended"; readonly endReason?: EndReason }
  | { readonly state: "absent" }
  /** A later version may write records that this one does not understand. It is unknown whether they are live. */
  | { readonly state: "notUnderstood" };

export function readRecord(fingerprint: string, text: string | null): RecordReading {
  if (text === null) return { state: "absent" };
  const reason = endRecord.exec(text)?.[1];
  if (reason !== undefined) return { state: "ended", ...toEndReason(reason) };
  const session = toSession(parseJson(text));
  return session?.fingerprint === fingerprint
    ? { state: "session", session }
    : { state: "notUnderstood" };
}

/** Empty for a reason of a later version. */
export function toEndReason(text: string | null): { readonly endReason?: EndReason } {
  const endReason = endReasons.find((one) => one === text);
  return endReason === undefined ? {} : { endReason };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
