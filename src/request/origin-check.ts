/**
 * Refuses requests of other origins' pages, by the headers that browsers set and pages cannot change: Fetch Metadata
 * (https://www.w3.org/TR/fetch-metadata/) and `Origin` (RFC 6454).
 */
import type { IncomingMessage } from "node:http";

/** @param host the `Host` header of the same request */
export type AllowsOrigin = (origin: string, host: string | null | undefined) => boolean;

/** Allows the server's own origin and the listed ones; `https://*.example.com` allows all subdomains. */
export function originPolicy(listed: readonly string[]): AllowsOrigin {
  const patterns = listed.map(toPattern);
  return (origin, host) =>
    origin.length <= maxOriginLength &&
    ((URL.canParse(origin) && new URL(origin).host === host) ||
      patterns.some((pattern) => pattern.test(origin)));
}

/** Characters of an origin: a scheme, the longest DNS name, and a port. */
const maxOriginLength = 300;

/**
 * Whether the request comes from a page that may not call. To be checked before the request is processed, because
 * browsers send many requests without a preflight (forms, images, GET, plain text; OWASP CSRF Prevention Cheat Sheet,
 * "Fetch Metadata headers"). The order of checks is that of CrossOriginProtection in Go's net/http.
 */
export function isCrossOriginForbidden(
  { headers }: IncomingMessage,
  allowsOrigin: AllowsOrigin,
): boolean {
  const { origin, host } = headers;
  switch (headers["sec-fetch-site"]) {
    // Not a browser, an old browser, or plain HTTP, where browsers do not send the header.
    case undefined:
      return origin !== undefined && !allowsOrigin(origin, host);
    case "same-origin":
    // Started by the user, for example from the address bar.
    case "none":
      return false;
    // Another site, a sibling domain, or the same host over plain HTTP: allowed only if listed.
    default:
      return origin === undefined || !allowsOrigin(origin, undefined);
  }
}

/** Whether the request executes no operation, so that any page may send it. */
export function isSafeRequest(
  { method, url = "", headers }: IncomingMessage,
  hasExplorer: boolean,
): boolean {
  // A preflight: the response's CORS headers say whether the page may call.
  if (method === "OPTIONS") return true;
  if (method !== "GET" && method !== "HEAD") return false;
  if (!url.includes("?")) return true;
  // A link to the explorer may contain a query, which is only shown. At any other path it would be executed.
  const isLink = url.startsWith("/graphql?") && headers.accept?.includes("text/html") === true;
  return hasExplorer && isLink;
}

/** `*` matches one or more labels. */
function toPattern(origin: string): RegExp {
  const [before = "", after] = origin.split("*");
  return after === undefined
    ? new RegExp(`^${RegExp.escape(before)}$`)
    : new RegExp(`^${RegExp.escape(before)}[a-z0-9-]+(?:\\.[a-z0-9-]+)*${RegExp.escape(after)}$`);
}
