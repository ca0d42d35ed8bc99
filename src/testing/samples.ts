/** Sessions to fill a store with. */
import { sessionNetworkOf } from "../lib/client-network.ts";
import { beginSession, expiryOf, type Session } from "../session/session.ts";
import type { SessionLookup, SessionStore } from "../session/store.ts";

export const lifetimes = { access: 60_000, renewal: 600_000, absolute: 3_600_000, grace: 10_000 };

export const device = { userAgent: "Tests/1.0", ipAddress: "192.0.2.1" };

/** That of the device. */
export const network = sessionNetworkOf(device.ipAddress);

/** A little ahead of the wall clock, by which Redis clears away what has expired. */
export const start = Date.now() + 60_000;

export function liveReading(session: Session): SessionLookup {
  return { state: "live", standing: expiryOf(session) };
}

export function newSession(userId: string = crypto.randomUUID(), now = start): Session {
  return beginSession(crypto.randomUUID(), userId, device, lifetimes, now);
}

/** Renews as the use cases do: the session is read first. */
export async function renewIn(
  store: Pick<SessionStore, "read" | "renew">,
  fingerprint: string,
  generation: number,
  now: number,
) {
  const generationAtRead = (await store.read(fingerprint, now))?.generation ?? generation;
  return store.renew(
    fingerprint,
    { generation, generationAtRead: generationAtRead, network },
    lifetimes,
    now,
  );
}
