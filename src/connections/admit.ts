/** Lets something long-lived run under its session, or ends it and says why in the log. */
import type { ConnectionKind } from "./connection-kind.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { ConcurrencyLimiter } from "../lib/concurrency-limiter.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import { networkPathOf } from "../lib/client-network.ts";
import type { Session } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Claims } from "../session/token.ts";
import type { Connections } from "./connections.ts";
import type { Connection } from "./session-connections.ts";
import type { LogRefusal, Refusal } from "./refusals.ts";

export interface AdmissionOptions {
  readonly connections: Connections;
  /** Shared by all: how many may ask the store at once. A client is a session at an address. */
  readonly admissionLimiter: ConcurrencyLimiter;
  /** Milliseconds that it may take. */
  readonly admissionTimeout: number;
  /** Counts what long-lived operations keep. */
  readonly ledger?: MemoryLedger;
  readonly reportError: ReportError;
}

const endings = {
  MISSING: "UNAUTHENTICATED",
  MALFORMED: "UNAUTHENTICATED",
  BAD_SIGNATURE: "UNAUTHENTICATED",
  WRONG_KIND: "UNAUTHENTICATED",
  EXPIRED: "SESSION_EXPIRED",
  SUPERSEDED: "SESSION_EXPIRED",
  ENDED: "SESSION_ENDED",
  REUSED: "SESSION_ENDED",
  USER_GONE: "SESSION_ENDED",
} as const satisfies Record<RefusalReason, CloseReason>;

/** How a life ends whose token is refused so. */
export function closeReasonFor(reason: RefusalReason): CloseReason {
  return endings[reason];
}

export interface AdmitRequest {
  readonly claims: Claims;
  readonly connection: Connection;
  /** Asks the store about the session. */
  readonly check: () => Promise<Authentication>;
  readonly logRefusal: LogRefusal;
  readonly kind: ConnectionKind;
}

/** The session that the member runs under from now on; undefined when its life has ended. */
export async function admit(
  { claims, connection: member, check, logRefusal: note, kind: stay }: AdmitRequest,
  { connections, admissionLimiter, admissionTimeout, reportError }: AdmissionOptions,
): Promise<Session | undefined> {
  const { lifecycle } = member;
  const refuse = (reason: Refusal["reason"], ending: CloseReason) => {
    note(reason, claims);
    lifecycle.end(ending);
    return undefined;
  };
  const client = [...networkPathOf(member.device.ipAddress), claims.fingerprint];
  const turn = admissionLimiter.run(client, async () =>
    // It may have ended, or been turned away, while it waited.
    lifecycle.closeReason === undefined
      ? connections.admit(claims, member, check, stay)
      : undefined,
  );
  let admission;
  try {
    admission = await inTime(turn, admissionTimeout);
  } catch (error) {
    reportError("a session could not be checked", error);
    return refuse("STORE_UNAVAILABLE", "TRY_AGAIN_LATER");
  }
  if (admission === "busy") return refuse("BUSY", "TRY_AGAIN_LATER");
  switch (admission?.state) {
    case undefined:
      return lifecycle.closeReason === undefined ? refuse("TIMEOUT", "TRY_AGAIN_LATER") : undefined;
    case "unavailable":
      return refuse("STORE_UNAVAILABLE", "TRY_AGAIN_LATER");
    case "tooMany":
      return refuse("TOO_MANY_CONNECTIONS", "TOO_MANY_CONNECTIONS");
    case "refused":
      return refuse(admission.reason, closeReasonFor(admission.reason));
    case "signedIn":
      // It may have ended, or its client left, while it was checked.
      return lifecycle.closeReason === undefined ? admission.session : undefined;
  }
}

/** Undefined when it takes longer; what comes later is nobody's, errors included. */
async function inTime<T>(promise: Promise<T>, time: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, time, undefined);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
