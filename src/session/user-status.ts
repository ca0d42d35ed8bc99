/** The part of a user that decides about the user's sessions, and the comparison of security versions. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { Session } from "./session.ts";

export interface UserStatus {
  /** Whether the user was deleted or locked. */
  readonly disabled: boolean;
  /** 0 if the user directory keeps no security versions. */
  readonly securityVersion: number;
  /** Why the version was last raised. Default: unknown */
  readonly securityReason?: EndReason | undefined;
}

/** A user's security version and its reason, as the user directory returns them. */
export interface SecurityVersion {
  readonly securityVersion?: number | undefined;
  readonly securityReason?: EndReason | undefined;
}

/** Whether the user's security version was raised after the session's password was checked: the session has ended. */
export function isOutdated(session: Session, { securityVersion = 0 }: SecurityVersion): boolean {
  return session.securityVersion < securityVersion;
}

/** The reason for the end of an outdated session. */
export function outdatedReason({ securityReason }: SecurityVersion): EndReason {
  return securityReason ?? "ENDED_BY_OPERATOR";
}
