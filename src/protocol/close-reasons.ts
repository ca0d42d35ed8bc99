/** The codes that Curfew closes sockets with, and why: a public contract. */
import type { CloseReason } from "../connections/lifecycle.ts";

export interface Close {
  readonly code: number;
  /** Stable, for programs: it is the reason of the close frame (RFC 6455 §5.5.1). */
  readonly reason: string;
}

/** Milliseconds after which a socket is cut whose client does not answer the close frame. */
export const closeTimeout = 1_000;

/**
 * 4401 is final: graphql-ws clients do not come back by themselves. 4403, 1012 and 1013 bring them back,
 * with `connectionParams` asked again.
 */
export const closes = {
  /** No token, or not an access token of this server. */
  UNAUTHENTICATED: { code: 4401, reason: "UNAUTHENTICATED" },
  /** Logged out, ended elsewhere, renewal token reused, password changed, user gone. */
  SESSION_ENDED: { code: 4401, reason: "SESSION_ENDED" },
  /** The access token ran out, or was superseded: a fresh one may be had. */
  SESSION_EXPIRED: { code: 4403, reason: "SESSION_EXPIRED" },
  /** The session cannot be checked right now. */
  TRY_AGAIN_LATER: { code: 1013, reason: "TRY_AGAIN_LATER" },
  /** Of one session or of one address, on one node. */
  TOO_MANY_CONNECTIONS: { code: 1013, reason: "TOO_MANY_CONNECTIONS" },
  SERVICE_RESTART: { code: 1012, reason: "SERVICE_RESTART" },
} as const satisfies Record<Exclude<CloseReason, "CLIENT_GONE">, Close>;
