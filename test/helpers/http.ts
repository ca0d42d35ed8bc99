/** A GraphQL client over HTTP, with the requests that most tests send. */
import { StoreUnavailable } from "../../src/session/store.ts";
import { recordLeaks } from "./secrecy.ts";
import { until } from "./until.ts";

export interface Answer {
  readonly status: number;
  readonly data: any;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions?: Readonly<Record<string, unknown>>;
  }[];
}

export interface Ask {
  readonly token?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

function parse({ status }: Response, text: string): Omit<Answer, "status"> {
  try {
    return JSON.parse(text) as Omit<Answer, "status">;
  } catch {
    throw new Error(`Status ${status}, and not JSON: ${text}`);
  }
}

/** Thrown by `askData` for a response with errors. */
class ErrorAnswer extends Error {
  readonly status: number;
  readonly errors: NonNullable<Answer["errors"]>;

  constructor({ status, errors = [] }: Answer) {
    super(`Status ${status}, ${JSON.stringify(errors)}`);
    this.status = status;
    this.errors = errors;
  }
}

/** Sends a request and returns the response, with or without errors. */
export async function ask(url: string, query: string, options: Ask = {}): Promise<Answer> {
  const { token, variables, headers } = options;
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
  });
  const body = parse(response, await response.text());
  recordLeaks("an error", JSON.stringify(body.errors ?? []), password);
  return { status: response.status, ...body };
}

/**
 * Sends a request and returns its data.
 *
 * @throws ErrorAnswer if the response has errors
 */
export async function askData(url: string, query: string, options: Ask = {}): Promise<any> {
  const answer = await ask(url, query, options);
  if (answer.errors !== undefined) throw new ErrorAnswer(answer);
  return answer.data;
}

function isUnavailable(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true;
  return (
    error instanceof ErrorAnswer && error.errors[0]?.extensions?.["code"] === "SERVICE_UNAVAILABLE"
  );
}

/**
 * Retries while the store is unavailable, as clients do: during a Redis failover, nodes lose their
 * connections more than once.
 */
export async function retryWhileUnavailable<T>(act: () => Promise<T>): Promise<T> {
  const outcomes: T[] = [];
  await until(async () => {
    try {
      outcomes.push(await act());
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
    return outcomes.length > 0;
  }, "the service to be available");
  return outcomes[0] as T;
}

/** A session as its client knows it. */
export interface SignedIn {
  readonly accessToken: string;
  readonly renewalToken: string;
  readonly accessTokenExpiresAt: string;
  readonly renewalTokenExpiresAt: string;
  /** The fingerprint. */
  readonly sessionId: string;
  readonly userId: string;
}

const signedIn = `... on SignedIn {
  tokens { accessToken accessTokenExpiresAt renewalToken renewalTokenExpiresAt }
  viewer { user { id } session { id } }
}`;

export const password = "correct horse battery staple";

let users = 0;
/** An e-mail address that no other test uses. */
export function newEmail(): string {
  return `user-${process.pid}-${(users += 1)}@example.com`;
}

type RequestHeaders = Readonly<Record<string, string>>;

async function signIn(
  url: string,
  mutation: "register" | "login",
  email: string,
  headers: RequestHeaders,
): Promise<SignedIn> {
  const query = `mutation ($email: String!, $password: String!) {
    ${mutation}(email: $email, password: $password) { ${signedIn} ... on Problem { message } }
  }`;
  const data = await askData(url, query, { variables: { email, password }, headers });
  return toSignedIn(data[mutation]);
}

/** Creates an account with `password`; throws unless it succeeds. */
export async function register(
  url: string,
  email: string = newEmail(),
  headers: RequestHeaders = {},
): Promise<SignedIn> {
  return signIn(url, "register", email, headers);
}

/** Logs in with `password`; throws unless it succeeds. */
export async function login(
  url: string,
  email: string,
  headers: RequestHeaders = {},
): Promise<SignedIn> {
  return signIn(url, "login", email, headers);
}

/** Logs in; returns the `__typename` of the result. */
export async function tryLogin(
  url: string,
  email: string,
  word = password,
  headers: RequestHeaders = {},
): Promise<string> {
  const query = `mutation ($email: String!, $word: String!) {
    login(email: $email, password: $word) { outcome: __typename }
  }`;
  const data = await askData(url, query, { variables: { email, word }, headers });
  return data.login.outcome;
}

/** Renews; returns the next pair, or the reason of the refusal. */
export async function renew(
  url: string,
  renewalToken: string,
  headers: RequestHeaders = {},
): Promise<SignedIn | string> {
  const data = await askData(
    url,
    `mutation ($renewalToken: String!) {
      renew(renewalToken: $renewalToken) { ${signedIn} ... on RenewalRefused { reason } }
    }`,
    { variables: { renewalToken }, headers },
  );
  return data.renew.reason ?? toSignedIn(data.renew);
}

/** Logs out; returns the number of ended sessions. */
export async function logout(url: string, token: string): Promise<number> {
  const data = await askData(url, `mutation { logout { endedSessions } }`, { token });
  return data.logout.endedSessions;
}

function toSignedIn(result: any): SignedIn {
  if (result.tokens === undefined) throw new Error(`Not signed in: ${JSON.stringify(result)}`);
  const { user, session } = result.viewer;
  return { ...result.tokens, userId: user.id, sessionId: session.id };
}
