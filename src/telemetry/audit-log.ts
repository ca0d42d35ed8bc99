/** Where the audit trail goes: to the log, one line a fact, and to the app. */
import type { Logger } from "pino";
import type { Audit, AuditEvent, AuditFact } from "../session/audit.ts";
import type { ReportError } from "../lib/report-error.ts";
import { logContext } from "../lib/log-context.ts";

export interface TrailOptions {
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  /** Called after the line is written, and not waited for. */
  readonly onAudit?: (event: AuditEvent) => unknown;
  readonly reportError: ReportError;
}

/** What somebody should look at, when there is much of it, is a warning. */
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
  endUnknown: "warn",
  refused: "info",
  lock: "warn",
  unlock: "warn",
  deletion: "warn",
} as const satisfies Record<AuditFact["event"], "info" | "warn">;

/** An app whose `onAudit` throws or rejects is told so in the log, and disturbs nobody. */
export function auditTrail({ logger, clock, onAudit, reportError }: TrailOptions): Audit {
  const tell = async (event: AuditEvent) => onAudit?.(event);
  return (fact) => {
    // The line has its own time.
    logger[levels[fact.event]]({ ...fact, ...logContext() }, fact.event);
    if (onAudit === undefined) return;
    tell({ ...fact, at: clock() }).catch((error: unknown) =>
      reportError("the app's onAudit failed", error),
    );
  };
}
