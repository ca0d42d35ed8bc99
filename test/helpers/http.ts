/** GraphQL over HTTP, as a test asks it. */
import { noSecretIn } from "./secrecy.ts";

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
  const body = (await response.json()) as Omit<Answer, "status">;
  noSecretIn("an error", JSON.stringify(body.errors ?? []), password);
  return { status: response.status, ...body };
}

/** A signed-in session, as its owner holds it. */
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

export async function register(
  url: string,
  email: string = newEmail(),
  headers: Readonly<Record<string, string>> = {},
): Promise<SignedIn> {
  const { data } = await ask(
    url,
    `mutation ($email: String!, $password: String!) {
      register(email: $email, password: $password) { ${signedIn} ... on Problem { message } }
    }`,
    { variables: { email, password }, headers },
  );
  return toSignedIn(data.register);
}

export async function login(
  url: string,
  email: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SignedIn> {
  const { data } = await ask(
    url,
    `mutation ($email: String!, $password: String!) {
      login(email: $email, password: $password) { ${signedIn} ... on Problem { message } }
    }`,
    { variables: { email, password }, headers },
  );
  return toSignedIn(data.login);
}

/** What comes of a login, by the name of its type. */
export async function tryLogin(url: string, email: string, word = password): Promise<string> {
  const query = `mutation ($email: String!, $word: String!) {
    login(email: $email, password: $word) { outcome: __typename }
  }`;
  const { data } = await ask(url, query, { variables: { email, word } });
  return data.login.outcome;
}

/** The next pair, or the reason of the refusal. */
export async function renew(
  url: string,
  renewalToken: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SignedIn | string> {
  const { data } = await ask(
    url,
    `mutation ($renewalToken: String!) {
      renew(renewalToken: $renewalToken) { ${signedIn} ... on RenewalRefused { reason } }
    }`,
    { variables: { renewalToken }, headers },
  );
  return data.renew.reason ?? toSignedIn(data.renew);
}

/** How many sessions the logout ended. */
export async function logout(url: string, token: string): Promise<number> {
  const { data } = await ask(url, `mutation { logout { endedSessions } }`, { token });
  return data.logout.endedSessions;
}

function toSignedIn(result: any): SignedIn {
  if (result.tokens === undefined) throw new Error(`Not signed in: ${JSON.stringify(result)}`);
  const { user, session } = result.viewer;
  return { ...result.tokens, userId: user.id, sessionId: session.id };
}
