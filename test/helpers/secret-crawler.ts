/** Sends every kind of request to a server, failing ones included, and records all responses. */
import type { ServerProcess } from "./command.ts";
import { newEmail } from "./http.ts";
import { TestSocket, type Message } from "./socket.ts";

/** The passwords that the crawler uses. */
export const passwords = {
  first: "the first of all passwords",
  second: 'another password: "quoted"; and more',
  wrong: "a password that is wrong",
};

type Endpoint = Pick<ServerProcess, "url" | "socketUrl">;

const signedIn = `__typename ... on Problem { message } ... on TooManyAttempts { retryAfterSeconds }
  ... on SignedIn { tokens { accessToken renewalToken } viewer { user { email } session { id userAgent } sessions { id } } }`;
const queries = {
  register: `mutation ($email: String!, $password: String!) { register(email: $email, password: $password) { ${signedIn} ... on InvalidInput { fields { field message } } } }`,
  login: `mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { ${signedIn} } }`,
  renew: `mutation ($token: String!) { renew(renewalToken: $token) { ${signedIn} ... on RenewalRefused { reason } } }`,
  logout: "mutation ($token: String) { logout(token: $token) { endedSessions } }",
  endSession: "mutation ($id: ID!) { endSession(id: $id) { endedSessions } }",
  endOthers: "mutation { endOtherSessions { endedSessions } }",
  change: `mutation ($current: String!, $next: String!) { changePassword(currentPassword: $current, newPassword: $next) {
    __typename ... on Problem { message } ... on InvalidInput { fields { message } } ... on PasswordChanged { tokens { accessToken renewalToken } } } }`,
  viewer: "{ viewer { user { id email } session { id userAgent ipAddress } sessions { id } } }",
};

interface Pair {
  readonly accessToken: string;
  readonly renewalToken: string;
}

export class SecretCrawler {
  /** All tokens that the crawler received or derived from those. */
  readonly tokens = new Set<string>();
  /** All responses, headers, messages and close reasons, without the tokens in token fields. */
  readonly responses: string[] = [];
  readonly #here: Endpoint;
  readonly #there: Endpoint;
  readonly #email = newEmail();

  constructor(here: Endpoint, there: Endpoint) {
    this.#here = here;
    this.#there = there;
  }

  async crawl(): Promise<void> {
    const email = this.#email;
    const [first, second] = [passwords.first, passwords.second];
    const login = (password: string) => this.#pair(queries.login, { email, password });
    for (const password of ["short", "password1", passwords.first, passwords.first])
      await this.#ask(queries.register, { email, password });
    const owner = await login(first);
    const other = await login(first);
    await this.#ask(queries.viewer, {}, owner.accessToken);
    const renewed = await this.#pair(queries.renew, { token: owner.renewalToken });
    const watch = await this.#connect(this.#there, renewed.accessToken);
    watch.subscribe("1", "subscription { sessionEvents { type endReason session { id } } }");
    watch.subscribe(
      "2",
      `mutation { login(email: "${email}", password: "${passwords.wrong}") { __typename } }`,
    );
    await this.#receiveUntil(watch, ({ id, type }) => id === "2" && type === "complete");
    await this.#sendMisplaced([renewed.accessToken, other.renewalToken]);
    await this.#ask(
      queries.change,
      { current: passwords.wrong, next: second },
      renewed.accessToken,
    );
    await this.#ask(queries.change, { current: first, next: "password1" }, renewed.accessToken);
    const change = { current: first, next: second };
    const changed = await this.#pair(queries.change, change, renewed.accessToken);
    await this.#receiveUntil(watch, () => false);
    const last = await this.#connect(this.#there, changed.accessToken);
    await this.#ask(queries.endSession, { id: "unknown" }, changed.accessToken);
    await this.#ask(queries.endOthers, {}, changed.accessToken);
    // As a thief would: the second use ends the session.
    for (let i = 0; i < 2; i += 1) await this.#ask(queries.renew, { token: changed.renewalToken });
    await this.#ask(queries.renew, { token: owner.renewalToken });
    await this.#receiveUntil(last, () => false);
    // This session stays open.
    await login(second);
    const left = await login(second);
    for (const token of [left.accessToken, left.renewalToken])
      await this.#ask(queries.logout, { token });
    for (let i = 0; i < 5; i += 1)
      await this.#ask(queries.login, { email, password: passwords.wrong });
  }

  /** Repeats requests while the stores are down. */
  async crawlDuringOutage(): Promise<void> {
    const [token = ""] = [...this.tokens].filter((one) => one.includes("access")).slice(-1);
    await this.#ask(queries.viewer, {}, token);
    await this.#ask(queries.renew, { token });
    await this.#ask(queries.logout, { token });
    for (const query of [queries.login, queries.register])
      await this.#ask(query, { email: newEmail(), password: passwords.first });
    await this.#connect(this.#there, token);
  }

  /** Sends tokens and passwords, intact and damaged, in fields where they do not belong. */
  async #sendMisplaced(tokens: readonly string[]): Promise<void> {
    const broken = tokens.flatMap((token) => [
      `${token}x`,
      token.slice(0, -1),
      token.replace(/.$/, "!"),
    ]);
    for (const token of [...tokens, ...broken]) {
      this.tokens.add(token);
      await this.#ask("{ viewer { user { id } } } # " + token, { token }, token);
      await this.#ask(queries.endOthers, {}, token.replace("access", "renewal"));
      await this.#ask(queries.renew, { token: [token] });
      await this.#get(`query={viewer{user{id}}}&variables={"a":${token}&token=${token}`);
      await this.#post(`{"query": ${token}`);
      await this.#post(`{"query": "{ viewer }", "token": "${token}"} ${passwords.first}`);
      await this.#connect(this.#there, `${token}y`);
    }
    for (const password of Object.values(passwords)) {
      const text = JSON.stringify(password);
      await this.#ask(`{ viewer ${text} }`, {});
      await this.#ask(`mutation { login(email: ${text}, password: [${text}]) { __typename } }`, {});
      await this.#ask(queries.login, { email: { password }, password: [password] });
      await this.#ask(queries.login, { email: password, password });
      await this.#post(
        `query=${password}&variables=${password}`,
        "application/x-www-form-urlencoded",
      );
      await this.#post(password, "text/plain");
      const socket = await this.#connect(this.#here, tokens[0] ?? "");
      socket.subscribe("1", queries.login, { email: password, password: [password] });
      socket.subscribe("2", `{ viewer ${text} }`);
      socket.send(`{"id": "3", "type": "subscribe", "payload": ${text}}`);
      await this.#receiveUntil(socket, () => false);
    }
  }

  async #pair(query: string, variables: unknown, token?: string): Promise<Pair> {
    const { data } = await this.#ask(query, variables, token);
    const [result] = Object.values<any>(data);
    if (result.tokens === undefined) throw new Error(`No tokens: ${JSON.stringify(result)}`);
    return result.tokens;
  }

  async #ask(query: string, variables: unknown, token?: string): Promise<any> {
    const text = await this.#post(JSON.stringify({ query, variables }), "application/json", token);
    return JSON.parse(text);
  }

  #post(body: string, type = "application/json", token?: string): Promise<string> {
    const headers = {
      "content-type": type,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    return this.#receive(fetch(this.#here.url, { method: "POST", headers, body }));
  }

  #get(search: string): Promise<string> {
    return this.#receive(fetch(`${this.#here.url}?${search}`));
  }

  async #receive(pending: Promise<Response>): Promise<string> {
    const response = await pending;
    const text = await response.text();
    this.responses.push(JSON.stringify([...response.headers]), this.#withoutTokens(text));
    return text;
  }

  async #connect(endpoint: Endpoint, token: string): Promise<TestSocket> {
    const socket = await new TestSocket(endpoint.socketUrl).opened();
    socket.init({ token });
    await this.#receiveUntil(socket, ({ type }) => type === "connection_ack");
    return socket;
  }

  /** Records messages up to the last one, or until the socket closes. */
  async #receiveUntil(socket: TestSocket, isLast: (message: Message) => boolean): Promise<void> {
    const closed = socket.closed.then((close) => ({ type: "close", payload: close }));
    for (;;) {
      const message = await Promise.race([socket.messages.next(), closed]);
      this.responses.push(this.#withoutTokens(JSON.stringify(message)));
      if (isLast(message)) return;
      if (message.type === "close") return;
    }
  }

  /** Stores the tokens in token fields and removes them from the text. */
  #withoutTokens(text: string): string {
    if (!text.startsWith("{")) return text;
    return JSON.stringify(JSON.parse(text), (key, value: unknown) => {
      if (key !== "accessToken" && key !== "renewalToken") return value;
      this.tokens.add(String(value));
      return undefined;
    });
  }
}
