/** What machines say of sessions and sockets, in words. */
import type { SignedOutReason } from "../../client/index.ts";
import type { ServerCloseReason } from "../../protocol/close-reasons.ts";
import type { Close } from "./socket-state.ts";

const notAccepted = "The server no longer accepts this page's tokens: sign in again.";

const signedOutMessages = {
  LOGOUT: "You signed out.",
  ENDED:
    "Your session was ended: from another device, by a change of the password, or by an operator.",
  EXPIRED: "Your session ran out: it was not renewed in time, or reached its greatest age.",
  REUSED: "A renewal token was used twice. It may have been stolen, so the session was ended.",
  USER_GONE: "This account was locked or deleted.",
  MISSING: notAccepted,
  MALFORMED: notAccepted,
  BAD_SIGNATURE: notAccepted,
  WRONG_KIND: notAccepted,
  SUPERSEDED:
    "The password was changed, and this page has tokens from before: sign in with the new password.",
} as const satisfies Record<SignedOutReason, string>;

export function whySignedOut(reason: SignedOutReason): string {
  return signedOutMessages[reason];
}

const closeMessages: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: "Nobody was signed in.",
  SESSION_ENDED: "The session had ended.",
  SESSION_EXPIRED: "The access token had run out.",
  TRY_AGAIN_LATER: "The server could not check the session.",
  TOO_MANY_CONNECTIONS: "There are too many connections.",
  SERVICE_RESTART: "The server is being restarted.",
} satisfies Record<ServerCloseReason, string>;

export function whyClosed({ code, reason }: Close): string {
  if (code === 1000) return "This page needed it no longer.";
  if (code === 1006) return "The connection was lost.";
  return closeMessages[reason] ?? "";
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

/** Roughly: for people who know their own devices. */
export function deviceName(userAgent: string | null): string {
  if (userAgent === null || userAgent === "") return "Unknown device";
  const find = (names: typeof browsers) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [browser, system] = [find(browsers), find(systems)];
  if (browser === undefined) return userAgent.split(/[\s(]/)[0] ?? userAgent;
  return system === undefined ? browser : `${browser} on ${system}`;
}

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Of today, the time alone. */
export function when(date: Date): string {
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? time : dateAndTime).format(date);
}
