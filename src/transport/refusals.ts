/** Says why somebody was not let in: one structured line for each, with what is known of him and never a token. */
import type { Device } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { RefusalReason } from "../session/reasons.ts";
import type { Claims } from "../session/token.ts";

export interface Refusal {
  readonly transport: "http" | "socket";
  readonly reason:
    | RefusalReason
    | "STORE_UNAVAILABLE"
    | "TOO_MANY_CONNECTIONS"
    | "TOO_MANY_OPERATIONS"
    | "BUSY"
    | "TIMEOUT"
    | "ORIGIN"
    /** What graphql-ws closes a socket for, by its code. */
    | `PROTOCOL_${number}`;
  readonly device: Device;
  readonly claims?: Claims | undefined;
}

/** Notes a refusal of one request or socket. */
export type Note = (reason: Refusal["reason"], claims?: Claims) => void;

export type NoteRefusal = (refusal: Refusal) => void;

/** The line's fields. */
export interface RefusalLine {
  readonly event: "refused";
  readonly transport: Refusal["transport"];
  readonly reason: Refusal["reason"];
  /** Where the token was signed by this server. */
  readonly fingerprint?: string;
  readonly generation?: number;
  readonly address: string | null;
  readonly userAgent: string | null;
}

export function describeRefusal({ transport, reason, device, claims }: Refusal): RefusalLine {
  return {
    event: "refused",
    transport,
    reason,
    ...(claims && { fingerprint: claims.fingerprint, generation: claims.generation }),
    address: device.ipAddress,
    userAgent: device.userAgent,
  };
}

/** For one request or socket: each reason is noted once, however often it is met. */
export function notesOf(
  transport: Refusal["transport"],
  device: Device,
  noteRefusal: NoteRefusal,
): Note {
  // Made when it is needed: on few sockets there is anything to note.
  let noted: Set<Refusal["reason"]> | undefined;
  return (reason, claims) => {
    if (noted?.has(reason) === true) return;
    (noted ??= new Set()).add(reason);
    noteRefusal({ transport, reason, device, claims });
  };
}

/** Why this is not a session, in the words of the log; undefined when it is one. */
export function refusalOf(authentication: Authentication): Refusal["reason"] | undefined {
  switch (authentication.state) {
    case "signedIn":
      return undefined;
    case "refused":
      return authentication.reason;
    case "unavailable":
      return "STORE_UNAVAILABLE";
  }
}
