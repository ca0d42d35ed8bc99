/** Writes the audit trail to the log, one line per fact, and passes each fact to the app. */
import type { Logger } from "pino";
import type { Audit, AuditEvent, AuditFact } from "../session/audit.ts";
import type { ReportError } from "../lib/report-error.ts";
import { logContext } from "../lib/log-context.ts";

export interface AuditTrailOptions {
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  /** Called after the line is written. Its promise is not awaited. */
  readonly onAudit?: (event: AuditEvent) => unknown;
  readonly reportError: ReportError;
}

/** Events that an operator should look at when they are frequent are warnings. */
const levels = {
  login: "info",
  loginRefused: "warn",
  registration: "info",
  registrationRefused: "info",
  passwordChange: "info",
  passwordChangeRefused: "warn",
  throttled: "warn",
  renewal: "info",
  renewalRefused: "info",
  reuse: "warn",
  foreignReplay: "warn",
  end: "info",
  endReplayed: "warn",
  endUnknown: "warn",
  refused: "info",
  lock: "warn",
  unlock: "warn",
  deletion: "warn",
  endEverybody: "warn",
} as const satisfies Record<AuditFact["event"], "info" | "warn">;

/** Creates the audit trail. An `onAudit` that throws or rejects is reported, and affects nothing else. */
export function auditTrail({ logger, clock, onAudit, reportError }: AuditTrailOptions): Audit {
  const notify = async (event: AuditEvent) => onAudit?.(event);
  return (fact) => {
    // pino adds the time.
    logger[levels[fact.event]]({ ...fact, ...logContext() }, fact.event);
    if (onAudit === undefined) return;
    notify({ ...fact, at: clock() }).catch((error: unknown) =>
      reportError("the app's onAudit failed", error),
    );
  };
}
