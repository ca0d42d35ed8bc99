/** What every GraphQL client keeps to that an app may use with Curfew, set up as its own documentation says. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "graphql-ws";
import { describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/server.ts";
import { fakeClock, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { login, logout, newEmail, password, register, type SignedIn } from "../helpers/http.ts";
import { Queue } from "../helpers/queue.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

/** What an app's client is set up with. */
export interface App {
  readonly url: string;
  /** Of the session that the app is signed in to. */
  readonly token: () => string | undefined;
  /** Opens the sockets of all three: Apollo and urql leave them to graphql-ws. */
  readonly sockets: Client;
}

/** The client, as an app would call it. */
export interface AppClient {
  /** Over HTTP; with the error of the answer, if there is one, as the client gives it to the app. */
  run(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Outcome>;
  subscribe(query: string, reader: Reader): void;
}

export interface Outcome {
  readonly data?: any;
  readonly error?: unknown;
}

export interface Reader {
  readonly event: (data: any) => void;
  readonly error: (error: unknown) => void;
}

/** What the app's code gets to see when its session has ended. */
export interface Shown {
  readonly bySubscription: unknown;
  readonly byRequest: unknown;
}

const minute = 60_000;
const accessTokenTtl = 30 * minute;

const pair = "... on SignedIn { tokens { accessToken renewalToken } }";
const loginMutation = `mutation ($email: String!, $password: String!) {
  login(email: $email, password: $password) { ${pair} }
}`;
const renewMutation = `mutation ($renewalToken: String!) {
  renew(renewalToken: $renewalToken) { ${pair} }
}`;

/** A signed-in app with a subscription to `news`, and what happens to it. */
class Story implements AsyncDisposable {
  readonly email = newEmail();
  readonly clock = fakeClock();
  readonly events = new Queue<any>();
  readonly errors = new Queue<unknown>();
  /** The life of the app's sockets. */
  readonly log: string[] = [];
  /** One entry each time that the server has a subscription to `news`. */
  readonly subscribed = new Queue<void>();
  /** What a client waits for that was cut off and may come back; time, usually. */
  mayReturn: Promise<void> = Promise.resolve();
  curfew!: TestCurfew;
  #client!: AppClient;
  #sockets!: Client;
  #tokens: Pick<SignedIn, "accessToken" | "renewalToken"> | undefined;

  async begin(toClient: (app: App) => AppClient, options: CurfewOptions = {}): Promise<this> {
    await this.serve(options);
    let expired = false;
    this.#sockets = createClient({
      url: this.curfew.socketUrl,
      connectionParams: async () => {
        if (expired) await this.renew();
        expired = false;
        return { token: this.#tokens?.accessToken };
      },
      retryWait: () => this.mayReturn,
      // Whatever cut the connection; what is final for graphql-ws stays final.
      shouldRetry: () => true,
      on: {
        connecting: () => this.log.push("connecting"),
        connected: () => this.log.push("connected"),
        closed: (event) => {
          const { code, reason } = event as { code: number; reason: string };
          expired = code === 4403;
          this.log.push(`closed ${code} ${reason}`);
        },
      },
    });
    this.#client = toClient({
      url: this.curfew.url,
      token: () => this.#tokens?.accessToken,
      sockets: this.#sockets,
    });
    await register(this.curfew.url, this.email);
    await this.signIn();
    await this.subscribe();
    return this;
  }

  async serve(options: CurfewOptions = {}): Promise<void> {
    this.curfew = await startCurfew({
      accessTokenTtl,
      clock: this.clock,
      typeDefs: "extend type Subscription { news: String! @authenticated }",
      resolvers: {
        Subscription: {
          news: {
            subscribe: async (_parent: unknown, _args: unknown, { events }) => {
              const stream = await events.subscribe("news");
              this.subscribed.push();
              return stream;
            },
          },
        },
      },
      ...options,
    });
  }

  run(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Outcome> {
    return this.#client.run(query, variables);
  }

  async signIn(): Promise<void> {
    const { data } = await this.run(loginMutation, { email: this.email, password });
    this.#tokens = data.login.tokens;
  }

  async renew(): Promise<void> {
    const { data } = await this.run(renewMutation, { renewalToken: this.tokens.renewalToken });
    this.#tokens = data.renew.tokens;
  }

  get tokens() {
    if (this.#tokens === undefined) throw new Error("Not signed in");
    return this.#tokens;
  }

  /** Resolves when the server has it. */
  async subscribe(): Promise<void> {
    this.#client.subscribe("subscription { news }", {
      event: (data) => this.events.push(data),
      error: (error) => this.errors.push(error),
    });
    await this.subscribed.next();
  }

  /** Resolves when the app has it. */
  async publish(news: string): Promise<void> {
    await this.curfew.events.publish("news", { news });
    expect(await this.events.next()).toEqual({ news });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sockets.dispose();
    await this.curfew.close();
  }
}

export function appClientContract(toClient: (app: App) => AppClient, shown: Shown): void {
  describe("an app", () => {
    it("keeps its subscription through a renewal, on the same socket", async () => {
      await using story = await new Story().begin(toClient);
      const { accessToken } = await login(story.curfew.url, story.email);
      await using notRenewed = await connect(story.curfew.socketUrl, accessToken);

      story.clock.advance(20 * minute);
      await story.renew();
      story.clock.advance(20 * minute);

      expect(await notRenewed.closed).toEqual({ code: 4403, reason: "SESSION_EXPIRED" });
      await story.publish("after the renewal");
      expect(story.log).toEqual(["connecting", "connected"]);
    });

    it("is told when its session is ended elsewhere, and does not come back by itself", async () => {
      await using story = await new Story().begin(toClient);

      expect(await logout(story.curfew.url, story.tokens.renewalToken)).toBe(1);

      expect(await story.errors.next()).toEqual(shown.bySubscription);
      expect(story.log).toEqual(["connecting", "connected", "closed 4401 SESSION_ENDED"]);
      await until(() => story.curfew.connections.size === 0, "the server to forget the socket");
      const { error } = await story.run("mutation { endOtherSessions { endedSessions } }");
      expect(error).toEqual(shown.byRequest);
      expect(story.log).toHaveLength(3);
      expect(story.errors.pending).toEqual([]);
    });

    it("that was ended signs in again and goes on with the same client", async () => {
      await using story = await new Story().begin(toClient);
      await logout(story.curfew.url, story.tokens.renewalToken);
      await story.errors.next();

      await story.signIn();
      await story.subscribe();

      await story.publish("after the next login");
      expect(story.log.slice(3)).toEqual(["connecting", "connected"]);
    });

    it("whose access token ran out comes back by itself with a renewed one", async () => {
      await using story = await new Story().begin(toClient);
      const { accessToken } = story.tokens;

      story.clock.advance(accessTokenTtl + minute);

      await story.subscribed.next();
      await story.publish("after the expiry");
      expect(story.tokens.accessToken).not.toBe(accessToken);
      expect(story.log).toEqual([
        "connecting",
        "connected",
        "closed 4403 SESSION_EXPIRED",
        "connecting",
        "connected",
      ]);
      expect(story.errors.pending).toEqual([]);
    });

    it("has its subscription back after the server was restarted", async () => {
      const dataDir = await mkdtemp(join(tmpdir(), "curfew-restart-"));
      await using cleanUp = new AsyncDisposableStack();
      cleanUp.defer(() => rm(dataDir, { recursive: true }));
      await using story = await new Story().begin(toClient, { dataDir });
      const restarted = Promise.withResolvers<void>();
      story.mayReturn = restarted.promise;

      const { port } = new URL(story.curfew.url);
      await story.curfew.close();
      await story.serve({ dataDir, port: Number(port) });
      restarted.resolve();

      await story.subscribed.next();
      await story.publish("from the next server");
      expect(story.log).toEqual([
        "connecting",
        "connected",
        "closed 1012 SERVICE_RESTART",
        "connecting",
        "connected",
      ]);
      expect(story.errors.pending).toEqual([]);
    });
  });
}
