/** What every GraphQL client keeps to that an app may use with Curfew, set up as its own documentation says. */
import { createClient, type Client } from "graphql-ws";
import { describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { newFolder } from "../helpers/command.ts";
import { login, logout, password, register, type SignedIn } from "../helpers/http.ts";
import {
  accessTokenTtl,
  minute,
  SubscribedApp,
  type AppClient,
} from "../helpers/subscribed-app.ts";
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

/** What the app's code gets to see when its session has ended. */
export interface Shown {
  readonly bySubscription: unknown;
  readonly byRequest: unknown;
}

const pair = "... on SignedIn { tokens { accessToken renewalToken } }";
const loginMutation = `mutation ($email: String!, $password: String!) {
  login(email: $email, password: $password) { ${pair} }
}`;
const renewMutation = `mutation ($renewalToken: String!) {
  renew(renewalToken: $renewalToken) { ${pair} }
}`;

/** One that is signed in by its own client, and renews as the documentation says. */
class Story extends SubscribedApp implements AsyncDisposable {
  /** What a client waits for that was cut off and may come back; time, usually. */
  mayReturn: Promise<void> = Promise.resolve();
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
      on: { closed: (event) => (expired = (event as { code: number }).code === 4403) },
    });
    this.logSocketEvents(this.#sockets);
    this.client = toClient({
      url: this.curfew.url,
      token: () => this.#tokens?.accessToken,
      sockets: this.#sockets,
    });
    await register(this.curfew.url, this.email);
    await this.signIn();
    await this.subscribe();
    return this;
  }

  async signIn(): Promise<void> {
    const { data } = await this.client.run(loginMutation, { email: this.email, password });
    this.#tokens = data.login.tokens;
  }

  async renew(): Promise<void> {
    const { renewalToken } = this.tokens;
    const { data } = await this.client.run(renewMutation, { renewalToken });
    this.#tokens = data.renew.tokens;
  }

  get tokens() {
    if (this.#tokens === undefined) throw new Error("Not signed in");
    return this.#tokens;
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
      const { error } = await story.client.run("mutation { endOtherSessions { endedSessions } }");
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
      await using folder = await newFolder();
      const dataDir = folder.path;
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
