/** What each answer tells browsers and caches of how it may be used. */
import type { Plugin } from "graphql-yoga";

/**
 * An answer is for one caller, and for one origin: no cache may give it to another (RFC 9111 §5.2.2.5). It
 * is data: it runs nothing, stands in no frame, and is part of no other site's page. See the OWASP REST
 * Security Cheat Sheet. Strict-Transport-Security is for the proxy to say, who knows of TLS.
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

/** For all that the engine's adapter answers. */
export const useSecurityHeaders: Plugin = {
  onResponse: ({ response: { headers } }) => {
    const { vary, ...others } = securityHeaders;
    headers.append("vary", vary);
    for (const name in others) headers.set(name, others[name as keyof typeof others]);
  },
};
