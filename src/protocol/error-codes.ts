/** The values of `extensions.code` in GraphQL errors: part of the public contract. */

/** The comment of each one is its sentence in docs/protocol.md. */
export const errorCodes = [
  /**
   * The operation needs a live session. `extensions.reason` is the refusal reason; `extensions.endReason` is the end
   * reason of an ended session, if it is known.
   */
  "UNAUTHENTICATED",
  /** The server cannot reach its store or its users. Retry later. */
  "SERVICE_UNAVAILABLE",
  /** The socket has too many operations, or the operations use too much memory. The socket stays open. */
  "TOO_MANY_REQUESTS",
  /** The session or the client's address has too many connections on this node. */
  "TOO_MANY_CONNECTIONS",
  /** The document exceeds a query limit. */
  "QUERY_TOO_COMPLEX",
  /** The client reads a subscription more slowly than its events arrive. The subscription ends. */
  "TOO_SLOW",
  /** The node is shutting down. */
  "SERVICE_RESTART",
  /** The request comes from a page whose origin is not allowed. */
  "FORBIDDEN_ORIGIN",
  /** The request is malformed. */
  "BAD_REQUEST",
  /** A resolver failed unexpectedly. */
  "INTERNAL_SERVER_ERROR",
  /** The client is gone. No client receives this code. */
  "LEFT",
] as const;

/** A value of `extensions.code`. */
export type ErrorCode = (typeof errorCodes)[number];
