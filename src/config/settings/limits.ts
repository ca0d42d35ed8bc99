/** Settings that limit what one client can use: connections, messages, queries. */
import { wholeNumber, type AnySetting } from "../kinds.ts";

export const limits = {
  maxSocketsPerSession: {
    variable: "MAX_SOCKETS_PER_SESSION",
    kind: wholeNumber(1, 1_000_000),
    default: 100,
    example: "100",
    about: "Sockets and event streams of one session on one node.",
  },
  maxOperationsPerSocket: {
    variable: "MAX_OPERATIONS_PER_SOCKET",
    kind: wholeNumber(1, 1_000_000),
    default: 100,
    example: "100",
    about: "Operations that run at the same time on one socket.",
  },
  maxSocketsPerAddress: {
    variable: "MAX_SOCKETS_PER_ADDRESS",
    kind: wholeNumber(0, 1_000_000),
    default: 1000,
    example: "1000",
    about: "Sockets and event streams of one address on one node; 0 sets no limit.",
    details:
      "0 also removes the limit of 100 sockets per address that have not signed in yet. As for each limit per address, an IPv6 network of 64 bits counts as one address.",
  },
  maxMemoryPerSession: {
    variable: "MAX_MEMORY_PER_SESSION",
    kind: wholeNumber(1_048_576, 1_099_511_627_776, "bytes"),
    default: 8_388_608,
    example: "8388608",
    about: "Bytes of memory that the running operations of one session may use on one node.",
    details:
      "One operation may use a quarter of it, one user four times and one address eight times as much.",
  },
  maxMessageSize: {
    variable: "MAX_MESSAGE_SIZE",
    kind: wholeNumber(1024, 16_777_216, "bytes"),
    default: 262_144,
    example: "262144",
    about: "Bytes of one HTTP body, or of one message on a socket.",
  },
  maxQueryTokens: {
    variable: "MAX_QUERY_TOKENS",
    kind: wholeNumber(1, 1_000_000),
    default: 5000,
    example: "5000",
    about: "Names, values and punctuation marks of one GraphQL document.",
  },
  maxQueryDepth: {
    variable: "MAX_QUERY_DEPTH",
    kind: wholeNumber(1, 1_000_000),
    default: 30,
    example: "30",
    about: "Levels of nested fields in one operation.",
    details: "As for each limit of an operation, a fragment counts wherever it is spread.",
  },
  maxQueryAliases: {
    variable: "MAX_QUERY_ALIASES",
    kind: wholeNumber(0, 1_000_000),
    default: 100,
    example: "100",
    about: "Aliases in one operation.",
  },
  maxQueryDirectives: {
    variable: "MAX_QUERY_DIRECTIVES",
    kind: wholeNumber(0, 1_000_000),
    default: 100,
    example: "100",
    about: "Directives in one operation.",
  },
  maxQueryCost: {
    variable: "MAX_QUERY_COST",
    kind: wholeNumber(1, 1_000_000_000),
    default: 200_000,
    example: "200000",
    about: "Fields that a response would have if each of its lists had ten items.",
  },
} as const satisfies Record<string, AnySetting>;
