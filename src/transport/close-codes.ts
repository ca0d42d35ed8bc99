/** The codes that Curfew closes sockets with, and why: a public contract. */
import type { Ending } from "../session/life.ts";
import type { RefusalReason } from "../session/reasons.ts";
import type { Authentication } from "../session/sessions.ts";

export interface Close {
  readonly code: number;
  /** Stable, for programs: it is the reason of the close frame (RFC 6455 §5.5.1). */
  readonly reason: string;
}

/**
 * 4401 is final: graphql-ws clients do not come back by themselves. 4403, 1012 and 1013 bring them back,
 * with `connectionParams` asked again.
 */
export const closes = {
  /** No token, or not an access token of this server. */
  unauthenticated: { code: 4401, reason: "UNAUTHENTICATED" },
  /** Logged out, ended elsewhere, renewal token reused, password changed, user gone. */
  sessionEnded: { code: 4401, reason: "SESSION_ENDED" },
  /** The access token ran out, or was superseded: a fresh one may be had. */
  sessionExpired: { code: 4403, reason: "SESSION_EXPIRED" },
  /** The session cannot be checked right now. */
  tryAgainLater: { code: 1013, reason: "TRY_AGAIN_LATER" },
  tooManyConnections: { code: 1013, reason: "TOO_MANY_CONNECTIONS" },
  /** The client does not read what it subscribed to. */
  tooSlow: { code: 1013, reason: "TOO_SLOW" },
  serviceRestart: { code: 1012, reason: "SERVICE_RESTART" },
} as const satisfies Record<string, Close>;

const endingCloses = {
  ENDED: closes.sessionEnded,
  EXPIRED: closes.sessionExpired,
  UNAVAILABLE: closes.tryAgainLater,
  GOING_AWAY: closes.serviceRestart,
  TOO_SLOW: closes.tooSlow,
} as const satisfies Record<Ending, Close>;

const refusalCloses = {
  MISSING: closes.unauthenticated,
  MALFORMED: closes.unauthenticated,
  BAD_SIGNATURE: closes.unauthenticated,
  WRONG_KIND: closes.unauthenticated,
  EXPIRED: closes.sessionExpired,
  SUPERSEDED: closes.sessionExpired,
  ENDED: closes.sessionEnded,
  REUSED: closes.sessionEnded,
  USER_GONE: closes.sessionEnded,
} as const satisfies Record<RefusalReason, Close>;

/** How a socket closes whose life ends so. */
export function closeForEnding(ending: Ending): Close {
  return endingCloses[ending];
}

/** How a socket closes that was not let in. */
export function closeForRefusal(
  refusal: Exclude<Authentication, { readonly state: "signedIn" }>,
): Close {
  return refusal.state === "refused" ? refusalCloses[refusal.reason] : closes.tryAgainLater;
}
