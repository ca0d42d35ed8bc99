/** A `fetch` that sends the session's access token: for every GraphQL client that takes one. */
import type { Access, RefusalReason, Session } from "./types.ts";

export interface SessionFetchOptions {
  /**
   * Origins besides the session's own that receive the token: `https://api.example.com`.
   *
   * @default []
   */
  readonly origins?: readonly string[];
}

/**
 * Sends the access token to the session's own origin and to no other, unless the options name it. All other
 * requests go out as they were given.
 *
 * What the server refused for its token alone is asked once more with a fresh one. Rejects with a
 * `RequestFailed` where a token is needed and cannot be had now, and as `fetch` does.
 * @param request what sends it; the global `fetch` by default
 */
export function sessionFetch(
  session: Session,
  request: typeof fetch = fetch,
  { origins = [] }: SessionFetchOptions = {},
): typeof fetch {
  const isTrusted = (url: string): boolean => {
    // Where neither can be resolved, as without a page, the fetch that is given knows what they mean.
    if (url === session.url) return true;
    const origin = originOf(url);
    return (
      origin !== undefined && [session.url, ...origins].some((one) => originOf(one) === origin)
    );
  };
  return async (input, init) => {
    if (!isTrusted(urlOf(input))) return request(input, init);
    const access = await session.access();
    const given = isRequest(input) ? input : undefined;
    // Its body can be sent once.
    const again = given?.clone() ?? input;
    const headers = init?.headers ?? given?.headers;
    const response = await request(input, withToken(init, headers, access));
    // A redirect may have led to another origin, which neither had the token nor may say that it is wrong.
    if (access === undefined || (response.url && !isTrusted(response.url))) return response;
    const refusal = await refusalOf(response);
    if (refusal?.reason === undefined) return response;
    session.refused(access, refusal.reason);
    // A part of it may be done: that must not be done twice.
    if (refusal.begun === true) return response;
    const next = await session.access();
    // Of another session, perhaps of another user, it was not asked.
    if (next?.sessionId !== access.sessionId || init?.body instanceof ReadableStream)
      return response;
    return request(again, withToken(init, headers, next));
  };
}

/** A `Request` of another realm or package is one too. */
function isRequest(input: Parameters<typeof fetch>[0]): input is Request {
  return typeof input === "object" && "headers" in input;
}

function urlOf(input: Parameters<typeof fetch>[0]): string {
  return isRequest(input) ? input.url : String(input);
}

/** Undefined where a URL has none that a server may have; relative to the page, where there is one. */
function originOf(url: string): string | undefined {
  const { document, location } = globalThis as {
    readonly document?: { readonly baseURI: string };
    readonly location?: { readonly href: string };
  };
  try {
    const { protocol, origin } = new URL(url, document?.baseURI ?? location?.href);
    // The origin of `blob:` is that of the page that made it, and that of `data:` is no origin.
    return /^https?:$/.test(protocol) ? origin : undefined;
  } catch {
    return undefined;
  }
}

function withToken(
  init: RequestInit | undefined,
  given: RequestInit["headers"],
  access: Access | undefined,
): RequestInit {
  const headers = new Headers(given);
  if (access !== undefined) headers.set("authorization", `Bearer ${access.token}`);
  return { ...init, headers };
}

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly extensions?: Refusal & { readonly code?: string };
  }[];
}

interface Refusal {
  readonly reason?: RefusalReason;
  /** Whether the server had begun to execute the operation. */
  readonly begun?: boolean;
}

/** Undefined, too, where a part of it was done, by the data: that must not be done twice. */
async function refusalOf(response: Response): Promise<Refusal | undefined> {
  // Streams are not read: they are the reader's.
  if (!/json/.test(response.headers.get("content-type") ?? "")) return undefined;
  const text = await response.clone().text();
  if (!text.includes("UNAUTHENTICATED")) return undefined;
  let answer: Answer;
  try {
    answer = JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
  const { data, errors = [] } = answer;
  if (Object.values(data ?? {}).some((field) => field !== null)) return undefined;
  return errors.find(({ extensions }) => extensions?.code === "UNAUTHENTICATED")?.extensions;
}
