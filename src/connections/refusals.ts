/** Says why somebody was not let in: one fact of the audit trail for each, with what is known of him. */
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

/** Notes a refusal of one request or socket. */
export type LogRefusal = (reason: Refusal["reason"], claims?: Claims) => void;

export type RecordRefusal = (refusal: Refusal) => void;

export function refusalFact({ transport, reason, device, claims }: Refusal): AuditFact {
  return { event: "refused", transport, reason, ...tokenFields(claims, device) };
}

/** For one request or socket: each reason is noted once, however often it is met. */
export function refusalLogger(
  transport: Refusal["transport"],
  device: Device,
  noteRefusal: RecordRefusal,
): LogRefusal {
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
