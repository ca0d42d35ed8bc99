/** Which pages may call: by the `Origin` that browsers send with sockets and cross-site requests (RFC 6454). */

/** @param host the `Host` header of the same request */
export type AllowsOrigin = (origin: string, host: string | null | undefined) => boolean;

/** The server's own pages, and the listed origins; `https://*.example.com` lists all subdomains. */
export function originPolicy(listed: readonly string[]): AllowsOrigin {
  const patterns = listed.map(toPattern);
  return (origin, host) =>
    (URL.canParse(origin) && new URL(origin).host === host) ||
    patterns.some((pattern) => pattern.test(origin));
}

function toPattern(origin: string): RegExp {
  const [before = "", after] = origin.split("*");
  return after === undefined
    ? new RegExp(`^${RegExp.escape(before)}$`)
    : new RegExp(`^${RegExp.escape(before)}[a-z0-9.-]+${RegExp.escape(after)}$`);
}
