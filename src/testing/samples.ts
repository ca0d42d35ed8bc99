/** Sample sessions for the contract suites. */
import { sessionNetworkOf } from "../lib/client-network.ts";
import { beginSession, expiryOf, type Session } from "../session/session.ts";
import type { SessionLookup, SessionStore } from "../session/store.ts";

export const lifetimes = { access: 60_000, renewal: 600_000, absolute: 3_600_000, grace: 10_000 };

export const device = { userAgent: "Tests/1.0", ipAddress: "192.0.2.1" };

/** The network of the device. */
export const network = sessionNetworkOf(device.ipAddress);

/** Ahead of the wall clock, by which Redis deletes expired keys. */
export const start = Date.now() + 60_000;

export function liveReading(session: Session): SessionLookup {
  return { state: "live", standing: expiryOf(session) };
}

export function newSession(userId: string = crypto.randomUUID(), now = start): Session {
  return beginSession(crypto.randomUUID(), userId, device, lifetimes, now);
}

/** A session with a different value in every field, none of which is the value of a new session. */
export function distinctSession(): Session {
  return {
    fingerprint: crypto.randomUUID(),
    userId: crypto.randomUUID(),
    generation: 7,
    createdAt: start + 1,
    renewedAt: start + 2,
    lastSeenAt: start + 3,
    accessExpiresAt: start + 60_004,
    idleExpiresAt: start + 600_005,
    absoluteExpiresAt: start + 3_600_006,
    graceEndsAt: start + 7,
    minGeneration: 5,
    networks: "192.0.2.0/24 198.51.100.0/24",
    foreignReplays: 2,
    foreignReplayGeneration: 6,
    securityVersion: 3,
    userAgent: "Tests/2.0",
    ipAddress: "192.0.2.8",
  } satisfies Record<keyof Session, unknown>;
}

/** Renews as the use cases do: reads the session first. */
export async function renewIn(
  store: Pick<SessionStore, "read" | "renew">,
  fingerprint: string,
  generation: number,
  now: number,
) {
  const generationAtRead = (await store.read(fingerprint, now))?.generation ?? generation;
  return store.renew(fingerprint, { generation, generationAtRead, network }, lifetimes, now);
}
