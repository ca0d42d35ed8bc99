/** The reasons for which a session ends: `EndReason` of the public schema. */

/** The comment of each one is its sentence in docs/protocol.md. */
export const endReasons = [
  /** The client logged out, or passed a token of the session to `logout`. */
  "LOGOUT",
  /** The user ended it with `endSession` or `endOtherSessions`. */
  "ENDED_BY_USER",
  /** The password was changed in another session. */
  "PASSWORD_CHANGED",
  /** A renewal token was used again after its grace period. The token may be stolen. */
  "RENEWAL_REUSED",
  /** The session was not renewed in time, or reached its maximum age. */
  "EXPIRED",
  /** The user was deleted or locked. */
  "USER_GONE",
  /** The user signed in more often than the session limit allows. The oldest sessions end. */
  "SESSION_LIMIT",
  /** An operator ended this session, or all sessions of the user. */
  "ENDED_BY_OPERATOR",
] as const;

/** Why a session ended. */
export type EndReason = (typeof endReasons)[number];

/** Undefined for a reason of a later version. */
export function toEndReason(value: unknown): EndReason | undefined {
  return endReasons.find((reason) => reason === value);
}
