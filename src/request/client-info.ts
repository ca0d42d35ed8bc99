/** Reads a client's user agent and IP address from its request, through trusted proxies. */
import type { IncomingMessage } from "node:http";
import type { Device } from "../session/session.ts";

/** Characters; enough to recognise a browser. A client may send any length. */
const maxUserAgentLength = 256;

/** @param trustProxy number of proxies in front of this server that append to `X-Forwarded-For` */
export function deviceOf(request: IncomingMessage, trustProxy: number): Device {
  return {
    userAgent: request.headers["user-agent"]?.slice(0, maxUserAgentLength) ?? null,
    ipAddress: addressOf(request, trustProxy),
  };
}

function addressOf(request: IncomingMessage, trustProxy: number): string | null {
  const direct = request.socket.remoteAddress ?? null;
  if (trustProxy === 0) return direct;
  // Each proxy appends the address of its client. Addresses further left may be forged.
  const forwarded = [request.headers["x-forwarded-for"] ?? []].flat().join(",").split(",");
  return forwarded.at(-trustProxy)?.trim() || direct;
}
