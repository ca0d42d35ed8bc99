/** Sends the mutations of a session over HTTP. */
import {
  RequestFailed,
  type EndReason,
  type InvalidCredentials,
  type InvalidInput,
  type PasswordChanged,
  type RefusalReason,
  type TooManyAttempts,
} from "./types.ts";
import type { Platform } from "./platform.ts";

/** The result of a login, a registration or a renewal that succeeded. */
export interface IssuedTokens {
  readonly __typename: "SignedIn";
  readonly tokens: TokenStrings & { readonly accessTokenExpiresAt: string };
  readonly viewer: {
    readonly session: { readonly id: string; readonly renewedAt: string };
    readonly user?: { readonly id: string };
  };
}

export interface TokenStrings {
  readonly accessToken: string;
  readonly renewalToken: string;
}

export interface RenewalRefused {
  readonly __typename: "RenewalRefused";
  readonly reason: RefusalReason;
}

/** The result of `renew` for the tokens of an ended session. */
export interface EndedSession {
  /** Null if the server does not know it. */
  readonly endReason?: EndReason | null;
}

export type RenewResult = IssuedTokens | RenewalRefused | TooManyAttempts;

export type PasswordResult =
  | (PasswordChanged & { readonly tokens: TokenStrings })
  | InvalidInput
  | InvalidCredentials
  | TooManyAttempts;

const problems = `... on Problem { message } ... on TooManyAttempts { retryAfterSeconds }`;
// `renewedAt` and the expiry are both by the server's clock, so they give the lifetime even if the local clock is
// wrong.
const issued = `... on SignedIn {
  tokens { accessToken accessTokenExpiresAt renewalToken }
  viewer { session { id renewedAt } USER }
}`;
const withUser = issued.replace("USER", "user { id }");
const fields = `... on InvalidInput { fields { field message } }`;
const credentials = "$email: String!, $password: String!";
const given = "email: $email, password: $password";

export const mutations = {
  login: `mutation (${credentials}) {
    result: login(${given}) { __typename ${withUser} ${problems} }
  }`,
  register: `mutation (${credentials}) {
    result: register(${given}) { __typename ${withUser} ${problems} ${fields} }
  }`,
  renew: `mutation ($renewalToken: String!) {
    result: renew(renewalToken: $renewalToken) {
      __typename ${issued.replace("USER", "")} ${problems} ... on RenewalRefused { reason }
    }
  }`,
  // Not a field of `renew`: servers of earlier versions do not have it, and would refuse every renewal.
  endReason: `mutation ($renewalToken: String!) {
    result: renew(renewalToken: $renewalToken) { ... on RenewalRefused { endReason } }
  }`,
  logout: `mutation ($token: String!) { result: logout(token: $token) { endedSessions } }`,
  changePassword: `mutation ($currentPassword: String!, $newPassword: String!) {
    result: changePassword(currentPassword: $currentPassword, newPassword: $newPassword) {
      __typename ... on PasswordChanged { endedSessions tokens { accessToken renewalToken } }
      ${problems} ${fields}
    }
  }`,
} as const;

export interface MutationRequest {
  readonly document: keyof typeof mutations;
  readonly variables: Readonly<Record<string, string>>;
  readonly token?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Sends a mutation and resolves with its result. Rejects only with a `RequestFailed`. */
export async function sendMutation<Result>(
  { fetch, after }: Platform,
  url: string,
  { document, variables, token, timeout }: MutationRequest,
): Promise<Result> {
  const abort = new AbortController();
  const timedOut = Promise.withResolvers<never>();
  const cancel = after(
    timeout,
    () => {
      abort.abort();
      timedOut.reject(new Error(`No response in ${timeout} ms`));
    },
    "request",
  );
  const send = async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query: mutations[document], variables }),
      signal: abort.signal,
      // Lets a logout finish after the page is closed.
      keepalive: true,
    });
    return (await response.json()) as MutationResponse<Result> | null;
  };
  try {
    const body = await Promise.race([send(), timedOut.promise]);
    const result = body?.data?.result;
    if (result != null) return result;
    const { message, extensions } = body?.errors?.[0] ?? {};
    throw new RequestFailed(message ?? "The response is not a GraphQL result", extensions?.code);
  } catch (error) {
    if (error instanceof RequestFailed) throw error;
    throw new RequestFailed(`${document}: no response from ${url}`, undefined, error);
  } finally {
    cancel();
  }
}

interface MutationResponse<Result> {
  readonly data?: { readonly result?: Result | null } | null;
  readonly errors?: readonly {
    readonly message?: string;
    readonly extensions?: { readonly code?: string };
  }[];
}
