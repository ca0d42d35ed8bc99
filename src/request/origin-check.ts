/**
 * Which pages may call: by what browsers say of the page that a request comes from, and no page can change
 * (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/, and `Origin`, RFC 6454).
 */
import type { IncomingMessage } from "node:http";

/** @param host the `Host` header of the same request */
export type AllowsOrigin = (origin: string, host: string | null | undefined) => boolean;

/** The server's own pages, and the listed origins; `https://*.example.com` lists all subdomains. */
export function originPolicy(listed: readonly string[]): AllowsOrigin {
  const patterns = listed.map(toPattern);
  return (origin, host) =>
    origin.length <= maxLength &&
    ((URL.canParse(origin) && new URL(origin).host === host) ||
      patterns.some((pattern) => pattern.test(origin)));
}

/** Characters: a scheme, the longest name that DNS has, and a port. */
const maxLength = 300;

/**
 * Whether a page sends it that may not call: it is refused before anything is read or done, since browsers
 * send much without asking first (forms, images, GET, text; OWASP CSRF Prevention Cheat Sheet, "Fetch
 * Metadata headers"). The order is that of CrossOriginProtection in Go's net/http.
 */
export function isCrossOriginForbidden(
  { headers }: IncomingMessage,
  allowsOrigin: AllowsOrigin,
): boolean {
  const { origin, host } = headers;
  switch (headers["sec-fetch-site"]) {
    // No browser, or an old one, or one that does not trust plain HTTP with more.
    case undefined:
      return origin !== undefined && !allowsOrigin(origin, host);
    case "same-origin":
    // Typed by a person.
    case "none":
      return false;
    // Another site, or a neighbour on the same, or the same host by plain HTTP: listed, or not at all.
    default:
      return origin === undefined || !allowsOrigin(origin, undefined);
  }
}

/** Whether no operation runs for it, whoever sends it. */
export function isSafeRequest(
  { method, url = "", headers }: IncomingMessage,
  hasExplorer: boolean,
): boolean {
  // A browser that asks whether its page may call is told so by its answer's headers.
  if (method === "OPTIONS") return true;
  if (method !== "GET" && method !== "HEAD") return false;
  if (!url.includes("?")) return true;
  // People follow links to the explorer, with a query in them to look at; at any other path it would be run.
  const isLink = url.startsWith("/graphql?") && headers.accept?.includes("text/html") === true;
  return hasExplorer && isLink;
}

/** `*` stands for one label or more. */
function toPattern(origin: string): RegExp {
  const [before = "", after] = origin.split("*");
  return after === undefined
    ? new RegExp(`^${RegExp.escape(before)}$`)
    : new RegExp(`^${RegExp.escape(before)}[a-z0-9-]+(?:\\.[a-z0-9-]+)*${RegExp.escape(after)}$`);
}
