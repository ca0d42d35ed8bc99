/** The reasons for which the server refuses a token: part of the public schema. */

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

/** Why the server did not accept a token. `schema/problem.graphql` says what each one means. */
export type RefusalReason = (typeof refusalReasons)[number];
