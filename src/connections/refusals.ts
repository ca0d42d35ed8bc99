/** Logs why a client was refused: one audit fact for each reason, with what is known about the client. */
import { tokenFields, type AccessRefusal, type AuditFact } from "../session/audit.ts";
import type { Device } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";

export interface Refusal {
  readonly transport: "http" | "socket";
  readonly reason: AccessRefusal;
  readonly device: Device;
  readonly claims?: Claims | undefined;
}

/** Logs a refusal of one request or socket. */
export type LogRefusal = (reason: Refusal["reason"], claims?: Claims) => void;

export type RecordRefusal = (refusal: Refusal) => void;

export function refusalFact({ transport, reason, device, claims }: Refusal): AuditFact {
  return { event: "refused", transport, reason, ...tokenFields(claims, device) };
}

/** A log for one request or socket that records each reason once. */
export function refusalLogger(
  transport: Refusal["transport"],
  device: Device,
  recordRefusal: RecordRefusal,
): LogRefusal {
  // Created on demand: most sockets are never refused anything.
  let recorded: Set<Refusal["reason"]> | undefined;
  return (reason, claims) => {
    if (recorded?.has(reason) === true) return;
    (recorded ??= new Set()).add(reason);
    recordRefusal({ transport, reason, device, claims });
  };
}

/** The reason to log; undefined when the session is valid. */
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
