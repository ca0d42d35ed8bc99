/** What each answer tells browsers and caches of how it may be used, and GraphiQL's page of what it may do. */
import { createHash } from "node:crypto";
import type { Plugin } from "graphql-yoga";

/**
 * An answer is for one caller, and for one origin: no cache may give it to another (RFC 9111 §5.2.2.5). It
 * is data: it runs nothing, stands in no frame, and is part of no other site's page. See the OWASP REST
 * Security Cheat Sheet. Strict-Transport-Security is for the proxy to say, who knows of TLS.
 */
export const answerHeaders = {
  vary: "Origin",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
} as const;

/** For all that the engine's adapter answers. A page has a policy of its own. */
export function useAnswerHeaders(policyOfPage: () => string | undefined): Plugin {
  return {
    onResponse: ({ response: { headers } }) => {
      const { vary, ...others } = answerHeaders;
      headers.append("vary", vary);
      for (const name in others) headers.set(name, others[name as keyof typeof others]);
      const policy = policyOfPage();
      if (policy === undefined || headers.get("content-type") !== "text/html") return;
      headers.set("content-security-policy", policy);
      headers.set("cross-origin-opener-policy", "same-origin");
    },
  };
}

/**
 * For GraphiQL, which has all that it needs in itself: its scripts run by their hashes, its editor's
 * workers are blobs and its editor writes styles; it may speak to this server only.
 */
export function policyOf(page: string): string {
  const hashes = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(
    ([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`,
  );
  return [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    `script-src ${hashes.join(" ")}`,
    "worker-src blob:",
    "style-src 'unsafe-inline'",
    "img-src data:",
    "font-src data:",
    "connect-src 'self'",
  ].join("; ");
}
