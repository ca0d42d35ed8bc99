/** Background load: clients that use and renew their sessions while a test disturbs Redis or the nodes. */
import { ask, register, renew, retryWhileUnavailable, type Answer, type SignedIn } from "./http.ts";

export interface Load {
  /** Responses so far. */
  readonly counts: { ok: number; unavailable: number };
  /** All other responses: data that no client expects, and errors. */
  readonly unexpected: unknown[];
  /** Resolves to the clients' latest tokens. */
  stop(): Promise<SignedIn[]>;
}

/** Starts one client per session; each sends its requests to the nodes in turn. */
export function startLoad(urls: readonly string[], sessions: readonly SignedIn[]): Load {
  const counts = { ok: 0, unavailable: 0 };
  const unexpected: unknown[] = [];
  const stopping = new AbortController();

  /** Counts the response; returns whether the request succeeded. A failed request may be retried. */
  const count = ({ data, errors }: Answer, isFine: (data: any) => boolean): boolean => {
    if (errors === undefined && isFine(data)) return (counts.ok += 1) > 0;
    if (errors?.[0]?.extensions?.["code"] === "SERVICE_UNAVAILABLE") counts.unavailable += 1;
    else unexpected.push(errors ?? data);
    return false;
  };

  const client = async (first: SignedIn): Promise<SignedIn> => {
    const tokens = { ...first };
    for (let step = 0; !stopping.signal.aborted || step % 4 !== 0; step += 1) {
      if (unexpected.length > 0) break;
      const url = urls[step % urls.length] ?? "";
      if (step % 4 !== 3) {
        const answer = await ask(url, viewer, { token: tokens.accessToken });
        count(answer, (data) => data.viewer?.session.id === tokens.sessionId);
        continue;
      }
      // Retries until the outcome is known: a renewal may have superseded the access token.
      for (let done = false; !done && unexpected.length === 0;) {
        const variables = { renewalToken: tokens.renewalToken };
        const answer = await ask(url, renewal, { variables });
        done = count(answer, ({ renew: { tokens: next } }) => next !== undefined);
        if (done) Object.assign(tokens, answer.data.renew.tokens);
      }
    }
    return tokens;
  };

  const clients = sessions.map((session) =>
    client(session).catch((error: unknown) => {
      unexpected.push(error);
      return session;
    }),
  );
  return {
    counts,
    unexpected,
    stop() {
      stopping.abort();
      return Promise.all(clients);
    },
  };
}

const viewer = "{ viewer { session { id } } }";

const renewal = `mutation ($renewalToken: String!) {
  renew(renewalToken: $renewalToken) {
    ... on SignedIn { tokens { accessToken renewalToken } }
    ... on RenewalRefused { reason }
  }
}`;

export async function registerMany(url: string, count: number): Promise<SignedIn[]> {
  return Promise.all(Array.from({ length: count }, () => register(url)));
}

/** Whether all sessions can be renewed, once the store is available. */
export async function allCanRenew(url: string, sessions: readonly SignedIn[]): Promise<boolean> {
  const pairs = await Promise.all(
    sessions.map(({ renewalToken }) => retryWhileUnavailable(() => renew(url, renewalToken))),
  );
  return pairs.every((pair) => typeof pair === "object");
}
