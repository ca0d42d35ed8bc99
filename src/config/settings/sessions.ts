/**
 * Settings of sessions: how long sessions and their tokens are valid, and how soon the end of a session closes its
 * connections.
 */
import { duration, oneOf, wholeNumber, type AnySetting } from "../kinds.ts";

// The limit of `24d` is for durations that a timer waits for: a timer's longest delay is 2^31 ms, about 24 days.
export const sessions = {
  accessTokenTtl: {
    variable: "ACCESS_TOKEN_TTL",
    kind: duration("1ms", "3650d"),
    default: 1_800_000,
    example: "30m",
    about: "How long an access token is valid after a login or renewal.",
  },
  renewalTokenTtl: {
    variable: "RENEWAL_TOKEN_TTL",
    kind: duration("1ms", "3650d"),
    default: 2_592_000_000,
    example: "30d",
    about: "How long a session lasts after its login or last renewal.",
  },
  sessionMaxAge: {
    variable: "SESSION_MAX_AGE",
    kind: duration("1ms", "3650d"),
    default: 7_776_000_000,
    example: "90d",
    about: "How long a session lasts after its login, renewed or not.",
  },
  renewalGrace: {
    variable: "RENEWAL_GRACE",
    kind: duration("0ms", "3650d"),
    default: 10_000,
    example: "10s",
    about: "How long a used renewal token still returns the current token pair.",
    details: "After that, its use counts as token theft and ends the session.",
  },
  rememberEnds: {
    variable: "REMEMBER_ENDS",
    kind: duration("0ms", "24d"),
    default: 3_600_000,
    example: "1h",
    about: "How long each node remembers the ends of sessions.",
    details:
      "It refuses these sessions without asking the store, and ends them again if another store answers: a failover may lose an end that was confirmed.",
  },
  maxRememberedEnds: {
    variable: "MAX_REMEMBERED_ENDS",
    kind: wholeNumber(0, 10_000_000),
    default: 100_000,
    example: "100000",
    about: "How many ends of sessions each node remembers.",
    details: "It forgets the oldest ones first. Each takes about 250 bytes.",
  },
  foreignReplays: {
    variable: "FOREIGN_REPLAYS",
    kind: oneOf(["end", "audit"]),
    default: "end",
    example: "audit",
    about:
      "How the server treats used renewal tokens that return within `renewalGrace` from an unknown network.",
    details:
      "`end` takes such replays in three generations in a row for theft and ends the session; `audit` records each one and ends nothing. Networks are compared by /24 (IPv4) and /48 (IPv6).",
  },
  renewalExtends: {
    variable: "RENEWAL_EXTENDS",
    kind: oneOf(["same-network", "none"]),
    default: "same-network",
    example: "none",
    about: "Which open connections of a session a renewal keeps open past their own token.",
    details:
      "`same-network`: those in the network that the renewal comes from (/24 for IPv4, /48 for IPv6). All others close when the token shown on them expires, unless their client shows a newer one.",
  },
  endReasonTtl: {
    variable: "END_REASON_TTL",
    kind: duration("1ms", "3650d"),
    default: 86_400_000,
    example: "1d",
    about: "How long clients with a token of an ended session can learn why it ended.",
  },
  recheckInterval: {
    variable: "RECHECK_INTERVAL",
    kind: duration("1ms", "24d"),
    default: 5000,
    example: "5s",
    about: "How often all connections are checked against the store, in case a message was lost.",
    details: "It bounds how late a session's end closes its connections if the message is lost.",
  },
  outageGrace: {
    variable: "OUTAGE_GRACE",
    kind: duration("0ms", "24d"),
    default: 30_000,
    example: "30s",
    about: "How long connections stay open after the store's last answer.",
    details: "It bounds how late an end takes effect while the store is unreachable.",
  },
  maxSessionsPerUser: {
    variable: "MAX_SESSIONS_PER_USER",
    kind: wholeNumber(0, 1_000_000),
    default: 100,
    example: "100",
    about: "Live sessions of one user; 0 sets no limit.",
    details: "A login beyond the limit ends the user's oldest sessions.",
  },
} as const satisfies Record<string, AnySetting>;
