/** A session as the JSON text that Redis keeps of it, and back. */
import { toSession, type Session } from "../../session/session.ts";

export function encode(session: Session): string {
  const { userAgent, ipAddress } = session;
  // Half a character would be none to the scripts.
  return JSON.stringify({
    ...session,
    userAgent: userAgent?.toWellFormed() ?? null,
    ipAddress: ipAddress?.toWellFormed() ?? null,
  });
}

/** Undefined for a record that is damaged: who gets in must never be a guess, and that is no session. */
export function decode(fingerprint: string, text: string): Session | undefined {
  const session = toSession(parsed(text));
  return session?.fingerprint === fingerprint ? session : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
