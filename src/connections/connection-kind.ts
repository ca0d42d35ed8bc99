/** The kinds of connections that end with their session. */

/** A stream is long-lived: a socket or an SSE stream. A slow request has one reply, later than most requests. */
export type ConnectionKind = "stream" | "slowRequest";
