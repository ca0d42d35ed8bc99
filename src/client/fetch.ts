/** A `fetch` that sends the session's access token, for every GraphQL client that accepts a `fetch`. */
import type { ErrorCode } from "../protocol/error-codes.ts";
import type { Access, EndReason, RefusalReason, Session } from "./types.ts";

export interface SessionFetchOptions {
  /**
   * Origins besides the session's own that receive the token: `https://api.example.com`.
   *
   * @default []
   */
  readonly origins?: readonly string[];
}

const unauthenticatedCode = "UNAUTHENTICATED" satisfies ErrorCode;

/**
 * Returns a `fetch` that adds the access token to requests to the session's own origin and to the origins
 * in the options. All other requests are unchanged.
 *
 * If the server refuses a request only because of its token, the request is sent once more with a fresh
 * token. Rejects as `fetch` does, and with a `RequestFailed` if a token is needed but not available.
 *
 * @param request sends the requests; the global `fetch` by default
 */
export function sessionFetch(
  session: Session,
  request: typeof fetch = fetch,
  { origins = [] }: SessionFetchOptions = {},
): typeof fetch {
  const isTrusted = (url: string): boolean => {
    // Without a page, a relative URL has no origin. The given `request` may still resolve it.
    if (url === session.url) return true;
    const origin = originOf(url);
    return (
      origin !== undefined &&
      [session.url, ...origins].some((trusted) => originOf(trusted) === origin)
    );
  };
  return async (input, init) => {
    if (!isTrusted(inputUrl(input))) return request(input, init);
    const access = await session.access();
    const original = isRequest(input) ? input : undefined;
    // The body of a Request can be sent only once.
    const retryInput = original?.clone() ?? input;
    const headers = init?.headers ?? original?.headers;
    const response = await request(input, withToken(init, headers, access));
    // After a redirect to another origin, that origin did not receive the token and cannot refuse it.
    if (access === undefined || (response.url && !isTrusted(response.url))) return response;
    const refusal = await refusalOf(response);
    if (refusal?.reason === undefined) return response;
    session.refused(access, refusal.reason, refusal.endReason);
    // A part of the operation may have run, and must not run twice.
    if (refusal.begun === true) return response;
    const freshAccess = await session.access();
    // Another session may be another user's: the request is not repeated under it.
    if (freshAccess?.sessionId !== access.sessionId || init?.body instanceof ReadableStream)
      return response;
    return request(retryInput, withToken(init, headers, freshAccess));
  };
}

/** No `instanceof`: a `Request` may come from another realm or package. */
function isRequest(input: Parameters<typeof fetch>[0]): input is Request {
  return typeof input === "object" && "headers" in input;
}

function inputUrl(input: Parameters<typeof fetch>[0]): string {
  return isRequest(input) ? input.url : String(input);
}

/** Returns the HTTP origin of a URL, relative to the page if there is one; undefined if it has none. */
function originOf(url: string): string | undefined {
  const { document, location } = globalThis as {
    readonly document?: { readonly baseURI: string };
    readonly location?: { readonly href: string };
  };
  try {
    const { protocol, origin } = new URL(url, document?.baseURI ?? location?.href);
    // `blob:` has the origin of the page that made it, and `data:` has an opaque one.
    return /^https?:$/.test(protocol) ? origin : undefined;
  } catch {
    return undefined;
  }
}

function withToken(
  init: RequestInit | undefined,
  original: RequestInit["headers"],
  access: Access | undefined,
): RequestInit {
  const headers = new Headers(original);
  if (access !== undefined) headers.set("authorization", `Bearer ${access.token}`);
  return { ...init, headers };
}

interface ResponseBody {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly extensions?: Refusal & { readonly code?: ErrorCode };
  }[];
}

interface Refusal {
  readonly reason?: RefusalReason;
  readonly endReason?: EndReason;
  /** Whether the server had begun to execute the operation. */
  readonly begun?: boolean;
}

/** Returns why the whole operation was refused; undefined also if the data shows that a part of it ran. */
async function refusalOf(response: Response): Promise<Refusal | undefined> {
  // Leaves streams to the caller.
  if (!/json/.test(response.headers.get("content-type") ?? "")) return undefined;
  const text = await response.clone().text();
  if (!text.includes(unauthenticatedCode)) return undefined;
  let body: ResponseBody;
  try {
    body = JSON.parse(text) as ResponseBody;
  } catch {
    return undefined;
  }
  const { data, errors = [] } = body;
  if (Object.values(data ?? {}).some((field) => field !== null)) return undefined;
  return errors.find(({ extensions }) => extensions?.code === unauthenticatedCode)?.extensions;
}
