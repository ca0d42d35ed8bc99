/** The end of a session: which refusals mean it, the logout, and the question why the server ended it. */
import { backoff } from "./backoff.ts";
import type { Platform } from "./platform.ts";
import { sendMutation, type EndedSession } from "./requests.ts";
import type { StoredTokens } from "./stored-tokens.ts";
import type { EndReason, RefusalReason } from "./types.ts";

/** Whether a refusal means that the session has ended, and not only the refused token. */
export const endsSession = {
  MISSING: false,
  MALFORMED: false,
  BAD_SIGNATURE: false,
  WRONG_KIND: false,
  EXPIRED: false,
  SUPERSEDED: false,
  ENDED: true,
  REUSED: true,
  USER_GONE: true,
} as const satisfies Record<RefusalReason, boolean>;

/** Request timeouts in milliseconds. */
const timeouts = {
  logout: 5_000,
  /** The sign-out waits for it. */
  endReason: 1_000,
} as const;

const logoutAttempts = 8;

/** Ends the session on the server. Rejects with a `RequestFailed` after eight failed attempts. */
export async function sendLogout(
  platform: Platform,
  url: string,
  { renewalToken }: StoredTokens,
): Promise<void> {
  const variables = { token: renewalToken };
  const request = { document: "logout", variables, timeout: timeouts.logout } as const;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sendMutation(platform, url, request);
      return;
    } catch (error) {
      if (attempt === logoutAttempts) throw error;
    }
    const delay = backoff(attempt, platform.random);
    await new Promise<void>((resolve) => void platform.after(delay, resolve, "request"));
  }
}

/** Asks once why the session ended. Resolves to undefined if the server does not return it in time. */
export async function requestEndReason(
  platform: Platform,
  url: string,
  { renewalToken }: StoredTokens,
): Promise<EndReason | undefined> {
  const variables = { renewalToken };
  const request = { document: "endReason", variables, timeout: timeouts.endReason } as const;
  try {
    const { endReason } = await sendMutation<EndedSession>(platform, url, request);
    return endReason ?? undefined;
  } catch {
    return undefined;
  }
}
