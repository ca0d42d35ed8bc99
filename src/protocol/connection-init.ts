/** Where a token may stand: in an `Authorization` header or in the payload of `connection_init`. Never in a URL. */

/** Reads the token of an `Authorization` header, with or without `Bearer` (RFC 6750 §2.1). */
export function tokenFromHeader(header: unknown): string | undefined {
  if (typeof header !== "string") return undefined;
  const token = header.replace(/^bearer(\s+|$)/i, "").trim();
  return token === "" ? undefined : token;
}

/** Reads the token of the payload of `connection_init`, wherever common clients put it. */
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
