/** Texts for people: why a session or a socket ended, the names of devices, and times. */
import type { EndReason, SignedOutReason } from "../../client/index.ts";
import type { ServerCloseReason } from "../../protocol/close-reasons.ts";
import type { LastClose } from "./socket-state.ts";

const notAccepted = "The server does not accept this page's tokens. Sign in again.";

const signOutTexts = {
  LOGOUT: "You signed out.",
  ENDED: "Your session was ended: from another device, by a password change, or by an operator.",
  EXPIRED: "Your session expired: it was not renewed in time, or reached its maximum age.",
  REUSED: "A renewal token was used twice. It may be stolen, so the server ended the session.",
  USER_GONE: "This account was locked or deleted.",
  MISSING: notAccepted,
  MALFORMED: notAccepted,
  BAD_SIGNATURE: notAccepted,
  WRONG_KIND: notAccepted,
  SUPERSEDED: "The password was changed. Sign in with the new password.",
} as const satisfies Record<SignedOutReason, string>;

const endTexts: Readonly<Record<string, string>> = {
  LOGOUT: "You were signed out: this session was logged out elsewhere.",
  ENDED_BY_USER: "You were signed out: this session was ended from another device.",
  PASSWORD_CHANGED: "You were signed out: the password was changed in another session.",
  RENEWAL_REUSED:
    "You were signed out: a renewal token was used twice. It may be stolen, so the server ended the session.",
  EXPIRED: "You were signed out: the session was not renewed in time, or reached its maximum age.",
  USER_GONE: "You were signed out: this account was locked or deleted.",
  SESSION_LIMIT: "You were signed out: you signed in on more devices than the limit allows.",
  ENDED_BY_OPERATOR: "You were signed out: an operator ended this session.",
} satisfies Record<EndReason, string>;

/** @param endReason undefined if it is not known */
export function whySignedOut(reason: SignedOutReason, endReason: EndReason | undefined): string {
  // A newer server may send a reason that this page does not know.
  return (endReason && endTexts[endReason]) ?? signOutTexts[reason];
}

const closeTexts: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: "The page was not signed in.",
  SESSION_ENDED: "The session had ended.",
  SESSION_EXPIRED: "The access token had expired.",
  TRY_AGAIN_LATER: "The server could not check the session.",
  TOO_MANY_CONNECTIONS: "There are too many connections.",
  SERVICE_RESTART: "The server is restarting.",
} satisfies Record<ServerCloseReason, string>;

export function whyClosed({ code, reason }: LastClose): string {
  if (code === 1000) return "This page closed it.";
  if (code === 1006) return "The connection was lost.";
  return closeTexts[reason] ?? "";
}

const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\b(?:Firefox|FxiOS)\//, "Firefox"],
  [/Chrom(?:e|ium)\/|\bCriOS\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/Windows/, "Windows"],
  [/iPhone|iPad/, "iOS"],
  [/Mac OS X/, "macOS"],
  [/Android/, "Android"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

/** Returns an approximate name, for users who know their own devices. */
export function deviceName(userAgent: string | null): string {
  if (userAgent === null || userAgent === "") return "Unknown device";
  const find = (names: typeof browsers) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [browser, system] = [find(browsers), find(systems)];
  if (browser === undefined) return userAgent.split(/[\s(]/)[0] ?? userAgent;
  return system === undefined ? browser : `${browser} on ${system}`;
}

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Returns the date and time, or only the time if the date is today. */
export function when(date: Date): string {
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? time : dateAndTime).format(date);
}
