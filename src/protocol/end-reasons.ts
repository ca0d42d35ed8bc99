/** The reasons for which a session ends: part of the public schema. */

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
