/** How long something runs under a session. */

/** A stream lasts: a socket, an SSE stream. A slow request is answered once, later than most. */
export type ConnectionKind = "stream" | "slowRequest";
