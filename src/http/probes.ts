/** Answers what machines ask about the server itself: `/ready` and `/metrics`. */
import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { requestIdHeader } from "../lib/log-context.ts";
import { tokenFromHeader } from "../protocol/connection-init.ts";
import type { Readiness } from "./health.ts";

export interface ProbeOptions {
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: MetricsPage;
}

/** Prometheus' text format, and who may read it. */
export interface MetricsPage {
  readonly contentType: string;
  readonly read: () => Promise<string>;
  /** Everybody, nobody, or who has the token. */
  readonly readers: "all" | "none" | { readonly token: string };
}

/** Whether it was one of these, and is answered. */
export async function answerProbe(
  request: IncomingMessage,
  response: ServerResponse,
  { readiness, metrics }: ProbeOptions,
): Promise<boolean> {
  const { method, url = "", headers } = request;
  if (method !== "GET" && method !== "HEAD") return false;
  if (isAt("/ready", url)) {
    const state = await readiness();
    answer(
      response,
      state.ready ? 200 : 503,
      "application/json; charset=utf-8",
      JSON.stringify(state),
    );
    return true;
  }
  if (!isAt("/metrics", url) || metrics.readers === "none") return false;
  if (metrics.readers !== "all" && !isSame(tokenFromHeader(headers.authorization), metrics.readers))
    answer(response.setHeader("www-authenticate", "Bearer"), 401, "text/plain", "");
  else answer(response, 200, metrics.contentType, await metrics.read());
  return true;
}

function isAt(path: string, url: string): boolean {
  return url === path || url.startsWith(`${path}?`);
}

/** In a time that does not tell how much of it is right. */
function isSame(given: string | undefined, { token }: { readonly token: string }): boolean {
  const digest = (text: string) => hash("sha256", text, "buffer");
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

function answer(response: ServerResponse, status: number, type: string, text: string): void {
  if (response.destroyed) return;
  response
    .writeHead(status, {
      ...securityHeaders,
      ...requestIdHeader(),
      "content-type": type,
      "content-length": Buffer.byteLength(text),
    })
    .end(text);
}
