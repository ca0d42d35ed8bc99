/** Why a token is refused and why a session ends: the two closed unions that every room shares. */

export const refusalReasons = [
  "MISSING",
  "MALFORMED",
  "BAD_SIGNATURE",
  "WRONG_KIND",
  "EXPIRED",
  "SUPERSEDED",
  "ENDED",
  "REUSED",
  "USER_GONE",
] as const;

/** Why a token was not accepted. */
export type RefusalReason = (typeof refusalReasons)[number];

export const endReasons = [
  "LOGOUT",
  "ENDED_BY_USER",
  "PASSWORD_CHANGED",
  "RENEWAL_REUSED",
  "EXPIRED",
  "USER_GONE",
  "SESSION_LIMIT",
  "ENDED_BY_OPERATOR",
] as const;

/** Why a session ended. */
export type EndReason = (typeof endReasons)[number];
