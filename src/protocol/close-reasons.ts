/** The codes and reasons with which Curfew closes sockets: a public contract. */

/** The code and the reason of a close frame (RFC 6455 §5.5.1). */
export interface Close {
  readonly code: number;
  /** Stable: programs may depend on it. */
  readonly reason: string;
  /** Whether graphql-ws clients reconnect after this code, and call `connectionParams` again. */
  readonly reconnects: boolean;
}

/**
 * All closes that Curfew adds to those of the graphql-transport-ws protocol, such as 4400. The comment of
 * each one is its sentence in docs/protocol.md.
 */
export const closes = {
  /** The client sent no access token of this server. */
  UNAUTHENTICATED: { code: 4401, reason: "UNAUTHENTICATED", reconnects: false },
  /** The session has ended. Only a login helps. */
  SESSION_ENDED: { code: 4401, reason: "SESSION_ENDED", reconnects: false },
  /** The access token has expired or is superseded. The client reconnects with a fresh one. */
  SESSION_EXPIRED: { code: 4403, reason: "SESSION_EXPIRED", reconnects: true },
  /** The server cannot check the session at the moment. */
  TRY_AGAIN_LATER: { code: 1013, reason: "TRY_AGAIN_LATER", reconnects: true },
  /** The session or the client's address has too many connections on this node. */
  TOO_MANY_CONNECTIONS: { code: 1013, reason: "TOO_MANY_CONNECTIONS", reconnects: true },
  /** The node is shutting down. */
  SERVICE_RESTART: { code: 1012, reason: "SERVICE_RESTART", reconnects: true },
} as const satisfies Record<string, Close>;

/** A reason that Curfew puts into a close frame. */
export type ServerCloseReason = keyof typeof closes;

/** A reason after which graphql-ws clients do not reconnect. */
export type FinalCloseReason = {
  [Reason in ServerCloseReason]: (typeof closes)[Reason]["reconnects"] extends true
    ? never
    : Reason;
}[ServerCloseReason];

/** Why a connection or a request stops: the server closes it, or the client is gone. */
export type CloseReason = ServerCloseReason | "CLIENT_GONE";
