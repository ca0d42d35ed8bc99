/** Admits a connection under its session, or ends it and logs why. */
import type { MemoryLedger } from "./memory-ledger.ts";
import type { ConcurrencyLimiter } from "../lib/concurrency-limiter.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import { networkPathOf } from "../lib/client-network.ts";
import { timedOut, withTimeout } from "../lib/timeout.ts";
import type { Session } from "../session/session.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Admission, Connections } from "./connections.ts";
import type { LogRefusal, Refusal } from "./refusals.ts";

export interface AdmissionOptions {
  readonly connections: Connections;
  /** Limits how many connections read their session at once. A client is a session at an address. */
  readonly admissionLimiter: ConcurrencyLimiter;
  /** How long an admission may take (ms), including the wait for its turn. */
  readonly admissionTimeout: number;
  /** Counts the memory that long-lived operations use. */
  readonly ledger?: MemoryLedger;
  readonly reportError: ReportError;
}

const closeReasons = {
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

/** The close reason of a connection whose token is refused. */
export function closeReasonFor(reason: RefusalReason): CloseReason {
  return closeReasons[reason];
}

export interface AdmitRequest extends Admission {
  readonly logRefusal: LogRefusal;
}

/** Resolves to the session of the connection, or to undefined when the connection has ended. */
export async function admit(
  { logRefusal, ...admission }: AdmitRequest,
  { connections, admissionLimiter, admissionTimeout, reportError }: AdmissionOptions,
): Promise<Session | undefined> {
  const { claims, connection } = admission;
  const { lifecycle } = connection;
  const refuse = (reason: Refusal["reason"], closeReason: CloseReason, endReason?: EndReason) => {
    logRefusal(reason, claims);
    lifecycle.end(closeReason, endReason);
    return undefined;
  };
  const client = [...networkPathOf(connection.device.ipAddress), claims.fingerprint];
  const admitting = admissionLimiter.run(client, async () =>
    // It may have ended or timed out while it waited for its turn.
    lifecycle.closeReason === undefined ? connections.admit(admission) : undefined,
  );
  let result;
  try {
    result = await withTimeout(admitting, admissionTimeout);
  } catch (error) {
    reportError("a session could not be checked", error);
    return refuse("STORE_UNAVAILABLE", "TRY_AGAIN_LATER");
  }
  if (result === "busy") return refuse("BUSY", "TRY_AGAIN_LATER");
  if (result === undefined || result === timedOut)
    return lifecycle.closeReason === undefined ? refuse("TIMEOUT", "TRY_AGAIN_LATER") : undefined;
  switch (result.state) {
    case "unavailable":
      return refuse("STORE_UNAVAILABLE", "TRY_AGAIN_LATER");
    case "tooMany":
      return refuse("TOO_MANY_CONNECTIONS", "TOO_MANY_CONNECTIONS");
    case "refused":
      return refuse(result.reason, closeReasonFor(result.reason), result.endReason);
    case "signedIn":
      // It may have ended, or its client may have left, during the check.
      return lifecycle.closeReason === undefined ? result.session : undefined;
  }
}
