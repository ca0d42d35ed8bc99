/** Writes down what people try with a password, and what comes of it. */
import { clientOriginOf, type CredentialAttempt } from "../session/audit.ts";
import type { Authentication, PasswordChange, Registration } from "../users/accounts.ts";
import type { Throttled } from "../users/throttling.ts";
import type { CurfewContext } from "./context.ts";

/** The session that a login gives is written down where it begins. */
export function auditCredentials(
  attempt: CredentialAttempt,
  result: Registration | Authentication | PasswordChange | Throttled,
  { audit, caller, session }: CurfewContext,
): void {
  const origin = clientOriginOf(caller.device);
  const event = `${attempt}Refused` as const;
  // Whoever signs in or registers may be signed in already, which does not matter.
  const asker = attempt === "passwordChange" && session !== null ? session : undefined;
  const by = asker && { userId: asker.userId, fingerprint: asker.fingerprint };
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
