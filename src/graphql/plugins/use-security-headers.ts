/** The security headers of every response, for browsers and caches. */
import type { Plugin } from "graphql-yoga";

/**
 * A response is for one caller and one origin, so no cache may store it (RFC 9111 §5.2.2.5). It is data, so it may not
 * run scripts, be framed, or be embedded in another site's page. See the OWASP REST Security Cheat Sheet. The proxy
 * that terminates TLS sets Strict-Transport-Security.
 */
export const securityHeaders = {
  vary: "Origin",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
} as const;

/** A Yoga plugin that adds the headers to every response of Yoga. */
export const useSecurityHeaders: Plugin = {
  onResponse: ({ response: { headers } }) => {
    const { vary, ...others } = securityHeaders;
    headers.append("vary", vary);
    for (const name in others) headers.set(name, others[name as keyof typeof others]);
  },
};
