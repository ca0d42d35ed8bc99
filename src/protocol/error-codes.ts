/** The values of `extensions.code` in GraphQL errors: part of the public contract. */

export const errorCodes = [
  /** The field or the operation needs a live session; `extensions.reason` is the refusal reason. */
  "UNAUTHENTICATED",
  /** The server cannot reach what it needs to answer. Retrying later may help. */
  "SERVICE_UNAVAILABLE",
  /** One more operation, or its memory, is over a limit. */
  "TOO_MANY_REQUESTS",
  /** A stream was refused because the session or the address has too many connections. */
  "TOO_MANY_CONNECTIONS",
  /** The document is over a limit of queries. */
  "QUERY_TOO_COMPLEX",
  /** Events arrived faster than the client read them. */
  "TOO_SLOW",
  /** The node is shutting down. */
  "SERVICE_RESTART",
  /** A page of an origin that is not allowed sent the request. */
  "FORBIDDEN_ORIGIN",
  /** The request cannot be read. */
  "BAD_REQUEST",
  /** A resolver failed unexpectedly. */
  "INTERNAL_SERVER_ERROR",
  /** The client is gone; no client receives this one. */
  "LEFT",
] as const;

/** A value of `extensions.code`. */
export type ErrorCode = (typeof errorCodes)[number];
