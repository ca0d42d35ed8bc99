/** Answers the requests of monitoring systems: `/ready` for load balancers and `/metrics` for Prometheus. */
import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { requestIdHeader } from "../lib/log-context.ts";
import { tokenFromHeader } from "../protocol/connection-init.ts";
import type { Readiness } from "./health.ts";

export interface MonitoringOptions {
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: MetricsPage;
}

/** The metrics in Prometheus' text format, and the clients that may read them. */
export interface MetricsPage {
  readonly contentType: string;
  readonly read: () => Promise<string>;
  /** All clients, none, or those with the token. */
  readonly readers: "all" | "none" | { readonly token: string };
}

/** Answers a monitoring request. Resolves to false, and does nothing, for any other request. */
export async function answerMonitoringRequest(
  request: IncomingMessage,
  response: ServerResponse,
  { readiness, metrics }: MonitoringOptions,
): Promise<boolean> {
  const { method, url = "", headers } = request;
  if (method !== "GET" && method !== "HEAD") return false;
  if (hasPath("/ready", url)) {
    const state = await readiness();
    respondWith(
      response,
      state.ready ? 200 : 503,
      "application/json; charset=utf-8",
      JSON.stringify(state),
    );
    return true;
  }
  if (!hasPath("/metrics", url) || metrics.readers === "none") return false;
  if (
    metrics.readers !== "all" &&
    !isEqual(tokenFromHeader(headers.authorization), metrics.readers.token)
  )
    respondWith(response.setHeader("www-authenticate", "Bearer"), 401, "text/plain", "");
  else respondWith(response, 200, metrics.contentType, await metrics.read());
  return true;
}

function hasPath(path: string, url: string): boolean {
  return url === path || url.startsWith(`${path}?`);
}

/** Compares in constant time. */
function isEqual(presented: string | undefined, token: string): boolean {
  const digest = (text: string) => hash("sha256", text, "buffer");
  return presented !== undefined && timingSafeEqual(digest(presented), digest(token));
}

function respondWith(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string,
): void {
  if (response.destroyed) return;
  response
    .writeHead(status, {
      ...securityHeaders,
      ...requestIdHeader(),
      "content-type": contentType,
      "content-length": Buffer.byteLength(body),
    })
    .end(body);
}
