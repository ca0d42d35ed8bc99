/** A `fetch` that sends the session's access token: for every GraphQL client that takes one. */
import type { Access, RefusalReason, Session } from "./contract.ts";

/**
 * What the server refused for its token alone is asked once more with a fresh one. Rejects with a
 * `RequestFailed` where a token is needed and cannot be had now, and as `fetch` does.
 * @param request what sends it; the global `fetch` by default
 */
export function sessionFetch(session: Session, request: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const access = await session.access();
    const given = input instanceof Request ? input : undefined;
    // Its body can be sent once.
    const again = given?.clone() ?? input;
    const headers = init?.headers ?? given?.headers;
    const response = await request(input, withToken(init, headers, access));
    const reason = access && (await refusalOf(response));
    if (access === undefined || reason === undefined) return response;
    session.refused(access, reason);
    const next = await session.access();
    if (next === undefined || init?.body instanceof ReadableStream) return response;
    return request(again, withToken(init, headers, next));
  };
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
    readonly extensions?: { readonly code?: string; readonly reason?: RefusalReason };
  }[];
}

/** Undefined, too, where a part of it was done: that must not be done twice. */
async function refusalOf(response: Response): Promise<RefusalReason | undefined> {
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
  const refusal = errors.find(({ extensions }) => extensions?.code === "UNAUTHENTICATED");
  return refusal?.extensions?.reason;
}
