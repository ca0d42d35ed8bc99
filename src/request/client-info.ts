/** The client of a request: its user agent and its address, seen through trusted proxies. */
import type { IncomingMessage } from "node:http";
import type { Device } from "../session/session.ts";

/** Enough to recognise a browser by; a client may send any length. */
const userAgentLength = 256;

/** @param trustProxy how many proxies before this server append to `X-Forwarded-For`. */
export function deviceOf(request: IncomingMessage, trustProxy: number): Device {
  return {
    userAgent: request.headers["user-agent"]?.slice(0, userAgentLength) ?? null,
    ipAddress: addressOf(request, trustProxy),
  };
}

function addressOf(request: IncomingMessage, trustProxy: number): string | null {
  const direct = request.socket.remoteAddress ?? null;
  if (trustProxy === 0) return direct;
  // Each proxy appends the address it saw: what stands further left, the client may have made up.
  const forwarded = [request.headers["x-forwarded-for"] ?? []].flat().join(",").split(",");
  return forwarded.at(-trustProxy)?.trim() || direct;
}
