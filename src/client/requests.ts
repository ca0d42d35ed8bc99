/** The mutations that a session is made of, asked over HTTP. */
import {
  RequestFailed,
  type InvalidCredentials,
  type InvalidInput,
  type PasswordChanged,
  type RefusalReason,
  type TooManyAttempts,
} from "./types.ts";
import type { Platform } from "./platform.ts";

/** The answer of a login, a registration or a renewal that succeeded. */
export interface Issued {
  readonly __typename: "SignedIn";
  readonly tokens: Tokens & { readonly accessTokenExpiresAt: string };
  readonly viewer: {
    readonly session: { readonly id: string; readonly renewedAt: string };
    readonly user?: { readonly id: string };
  };
}

export interface Tokens {
  readonly accessToken: string;
  readonly renewalToken: string;
}

export interface RenewalRefused {
  readonly __typename: "RenewalRefused";
  readonly reason: RefusalReason;
}

export type RenewResult = Issued | RenewalRefused | TooManyAttempts;

export type PasswordAnswer =
  | (PasswordChanged & { readonly tokens: Tokens })
  | InvalidInput
  | InvalidCredentials
  | TooManyAttempts;

const problems = `... on Problem { message } ... on TooManyAttempts { retryAfterSeconds }`;
// What the server calls its time of the renewal tells how long the token lasts, whatever the clock here says.
const issued = `... on SignedIn {
  tokens { accessToken accessTokenExpiresAt renewalToken }
  viewer { session { id renewedAt } USER }
}`;
const withUser = issued.replace("USER", "user { id }");
const fields = `... on InvalidInput { fields { field message } }`;
const credentials = "$email: String!, $password: String!";
const given = "email: $email, password: $password";

export const documents = {
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
  logout: `mutation ($token: String!) { result: logout(token: $token) { endedSessions } }`,
  changePassword: `mutation ($currentPassword: String!, $newPassword: String!) {
    result: changePassword(currentPassword: $currentPassword, newPassword: $newPassword) {
      __typename ... on PasswordChanged { endedSessions tokens { accessToken renewalToken } }
      ${problems} ${fields}
    }
  }`,
} as const;

export interface Question {
  readonly document: keyof typeof documents;
  readonly variables: Readonly<Record<string, string>>;
  readonly token?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Rejects with a `RequestFailed`, and with nothing else, where there is no result. */
export async function ask<Result>(
  { fetch, after }: Platform,
  url: string,
  { document, variables, token, timeout }: Question,
): Promise<Result> {
  const abort = new AbortController();
  const late = Promise.withResolvers<never>();
  const cancel = after(
    timeout,
    () => {
      abort.abort();
      late.reject(new Error(`No answer in ${timeout} ms`));
    },
    "request",
  );
  const answer = async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query: documents[document], variables }),
      signal: abort.signal,
      // A page that is closed still gets its logout out.
      keepalive: true,
    });
    return (await response.json()) as Answer<Result> | null;
  };
  try {
    const body = await Promise.race([answer(), late.promise]);
    const result = body?.data?.result;
    if (result != null) return result;
    const { message, extensions } = body?.errors?.[0] ?? {};
    throw new RequestFailed(message ?? "The answer is not GraphQL's", extensions?.code);
  } catch (error) {
    if (error instanceof RequestFailed) throw error;
    throw new RequestFailed(`${document}: the server at ${url} gave no answer`, undefined, error);
  } finally {
    cancel();
  }
}

interface Answer<Result> {
  readonly data?: { readonly result?: Result | null } | null;
  readonly errors?: readonly {
    readonly message?: string;
    readonly extensions?: { readonly code?: string };
  }[];
}
