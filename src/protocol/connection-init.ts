/** Reads tokens from an `Authorization` header or a `connection_init` payload. A token is never in a URL. */

/** Returns the token of an `Authorization` header, with or without `Bearer` (RFC 6750 §2.1). */
export function tokenFromHeader(header: unknown): string | undefined {
  if (typeof header !== "string") return undefined;
  const token = header.replace(/^bearer(\s+|$)/i, "").trim();
  return token === "" ? undefined : token;
}

/** Returns the token of a `connection_init` payload, from any of the fields that common clients use. */
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

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
