/** Where a token stands in a request or a `connection_init`, and who sent it. Never in the URL. */
import type { IncomingMessage } from "node:http";
import type { Device } from "../session/session.ts";

/** The token of an `Authorization` header, with or without `Bearer` (RFC 6750 §2.1). */
export function tokenFromHeader(header: unknown): string | undefined {
  if (typeof header !== "string") return undefined;
  const token = header.replace(/^bearer(\s+|$)/i, "").trim();
  return token === "" ? undefined : token;
}

/** The token of the payload of `connection_init`, wherever the common clients put it. */
export function tokenFromConnectionParams(
  params: Readonly<Record<string, unknown>> = {},
): string | undefined {
  const headers = isRecord(params["headers"]) ? params["headers"] : {};
  return (
    tokenFromHeader(params["token"]) ??
    tokenFromHeader(params["authorization"]) ??
    tokenFromHeader(params["Authorization"]) ??
    tokenFromHeader(headers["authorization"]) ??
    tokenFromHeader(headers["Authorization"])
  );
}

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

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
