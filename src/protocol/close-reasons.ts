/** The codes and reasons that Curfew closes sockets with: a public contract. */

/** The code and the reason of a close frame (RFC 6455 §5.5.1). */
export interface Close {
  readonly code: number;
  /** Stable, for programs. */
  readonly reason: string;
  /** Whether graphql-ws clients reconnect by themselves after this code, and call `connectionParams` again. */
  readonly reconnects: boolean;
}

/** Every close of Curfew's own. Codes of the graphql-transport-ws protocol, such as 4400, are not among them. */
export const closes = {
  /** The client sent no token, or none that is an access token of this server. */
  UNAUTHENTICATED: { code: 4401, reason: "UNAUTHENTICATED", reconnects: false },
  /** The session has ended: logout, revoked, renewal token reused, password changed elsewhere, user disabled. */
  SESSION_ENDED: { code: 4401, reason: "SESSION_ENDED", reconnects: false },
  /** The access token expired or was superseded. The client can get a fresh one. */
  SESSION_EXPIRED: { code: 4403, reason: "SESSION_EXPIRED", reconnects: true },
  /** The server cannot check the session at the moment. */
  TRY_AGAIN_LATER: { code: 1013, reason: "TRY_AGAIN_LATER", reconnects: true },
  /** The session or the client's address has too many connections on this node. */
  TOO_MANY_CONNECTIONS: { code: 1013, reason: "TOO_MANY_CONNECTIONS", reconnects: true },
  /** The node is shutting down. */
  SERVICE_RESTART: { code: 1012, reason: "SERVICE_RESTART", reconnects: true },
} as const satisfies Record<string, Close>;

/** Why a connection or a request stops: a close of the server's, or the client is gone. */
export type CloseReason = keyof typeof closes | "CLIENT_GONE";
