/** The reasons for which the server refuses a token: `RefusalReason` of the public schema. */

/** The comment of each one is its sentence in docs/protocol.md. */
export const refusalReasons = [
  /** The request has no token. */
  "MISSING",
  /** The text is not a token of this version of Curfew. */
  "MALFORMED",
  /** No key of this server signed the token. */
  "BAD_SIGNATURE",
  /** A renewal token is where an access token belongs, or the reverse. */
  "WRONG_KIND",
  /** The token has expired. */
  "EXPIRED",
  /** The session was renewed or its password changed. A newer token is valid. */
  "SUPERSEDED",
  /** The session has ended. */
  "ENDED",
  /** The renewal token was used before. The server ended the session as a precaution. */
  "REUSED",
  /** The user was deleted or locked. */
  "USER_GONE",
] as const;

/** Why the server refused a token. */
export type RefusalReason = (typeof refusalReasons)[number];
