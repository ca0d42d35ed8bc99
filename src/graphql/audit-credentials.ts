/** Records the outcome of logins, registrations and password changes in the audit trail. */
import { clientOriginOf, type CredentialAttempt } from "../session/audit.ts";
import type { Authentication, PasswordChange, Registration } from "../users/accounts.ts";
import type { Throttled } from "../users/throttling.ts";
import type { CurfewContext } from "./context.ts";

/** Records one attempt. A successful login is recorded where its session starts. */
export function auditCredentials(
  attempt: CredentialAttempt,
  result: Registration | Authentication | PasswordChange | Throttled,
  { audit, caller, session }: CurfewContext,
): void {
  const origin = clientOriginOf(caller.device);
  const event = `${attempt}Refused` as const;
  // A session that sends a login or a registration is not part of the fact.
  const changed = attempt === "passwordChange" && session !== null ? session : undefined;
  const by = changed && { userId: changed.userId, fingerprint: changed.fingerprint };
  switch (result.outcome) {
    case "accepted":
      return;
    case "registered":
      return audit({ event: "registration", userId: result.user.id, ...origin });
    case "changed":
      return by && audit({ event: "passwordChange", ...by, ...origin });
    case "refused": {
      const { cause: reason, userId } = result;
      return audit({ event, reason, ...(userId !== undefined && { userId }), ...by, ...origin });
    }
    case "taken":
      return audit({ event, reason: "TAKEN", ...origin });
    case "invalid":
      return audit({ event, reason: "INVALID", ...by, ...origin });
    case "busy":
      return audit({ event: "throttled", attempt, reason: "BUSY", ...by, ...origin });
    case "throttled":
      return audit({ event: "throttled", attempt, reason: "ATTEMPTS", ...by, ...origin });
  }
}
