/** Users for tests of the session domain, without a directory. */
import type { UserStatus } from "../../src/session/user-status.ts";

/** A user who is neither locked nor deleted, and whose sessions were never ended together. */
export const enabled: UserStatus = { disabled: false, securityVersion: 0 };

/** A `userStatus` for tests in which every user is enabled. */
export async function everyoneEnabled(): Promise<UserStatus> {
  return enabled;
}
