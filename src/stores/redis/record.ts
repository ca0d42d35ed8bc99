/** Encodes a session as the JSON text that Redis stores, and decodes it. */
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

/** Undefined for a damaged record: the server refuses its tokens rather than guess. */
export function decode(fingerprint: string, text: string): Session | undefined {
  const session = toSession(parseJson(text));
  return session?.fingerprint === fingerprint ? session : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
