/** Sessions for tests of stores. */
import { beginSession, type Session, type Standing } from "../../src/session/session.ts";

export const lifetimes = { access: 60_000, renewal: 600_000, absolute: 3_600_000, grace: 10_000 };

export const device = { userAgent: "Tests/1.0", ipAddress: "192.0.2.1" };

/** A little ahead of the wall clock, by which Redis clears away what has expired. */
export const start = Date.now() + 60_000;

export function standingOf({ accessExpiresAt, idleExpiresAt }: Session): Standing {
  return { accessExpiresAt, idleExpiresAt };
}

export function newSession(userId: string = crypto.randomUUID(), now = start): Session {
  return beginSession(crypto.randomUUID(), userId, device, lifetimes, now);
}
