/** A contract for GraphQL clients that are set up as their own documentation says. */
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

/** The parts that an app sets its client up with. */
export interface App {
  readonly url: string;
  /** Returns the access token of the app's session. */
  readonly token: () => string | undefined;
  /** Opens the sockets. Apollo and urql use graphql-ws for them, too. */
  readonly sockets: Client;
}

/** The errors that the app receives when its session has ended. */
export interface EndErrors {
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

/** An app that signs in with its own client, and renews as the documentation says. */
class TestApp extends SubscribedApp implements AsyncDisposable {
  /** Delays reconnects, in endpoint of the usual backoff. */
  reconnectAllowed: Promise<void> = Promise.resolve();
  #sockets!: Client;
  #tokens: Pick<SignedIn, "accessToken" | "renewalToken"> | undefined;

  async begin(toClient: (app: App) => AppClient, options: CurfewOptions = {}): Promise<this> {
    await this.serve(options);
    let hasExpired = false;
    this.#sockets = createClient({
      url: this.curfew.socketUrl,
      connectionParams: async () => {
        if (hasExpired) await this.renew();
        hasExpired = false;
        return { token: this.#tokens?.accessToken };
      },
      retryWait: () => this.reconnectAllowed,
      // Retries after any close. Codes fatal to graphql-ws stay fatal.
      shouldRetry: () => true,
      on: { closed: (event) => (hasExpired = (event as { code: number }).code === 4403) },
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

export function appClientContract(toClient: (app: App) => AppClient, errors: EndErrors): void {
  describe("an app", () => {
    it("keeps its subscription through a renewal, on the same socket", async () => {
      await using app = await new TestApp().begin(toClient);
      const { accessToken } = await login(app.curfew.url, app.email);
      await using notRenewed = await connect(app.curfew.socketUrl, accessToken);

      app.clock.advance(20 * minute);
      await app.renew();
      app.clock.advance(20 * minute);

      expect(await notRenewed.closed).toEqual({ code: 4403, reason: "SESSION_EXPIRED" });
      await app.publish("after the renewal");
      expect(app.log).toEqual(["connecting", "connected"]);
    });

    it("receives an error when its session is ended elsewhere, and does not reconnect", async () => {
      await using app = await new TestApp().begin(toClient);

      expect(await logout(app.curfew.url, app.tokens.renewalToken)).toBe(1);

      expect(await app.errors.next()).toEqual(errors.bySubscription);
      expect(app.log).toEqual(["connecting", "connected", "closed 4401 SESSION_ENDED"]);
      await until(() => app.curfew.connections.size === 0, "the server to forget the socket");
      const { error } = await app.client.run("mutation { endOtherSessions { endedSessions } }");
      expect(error).toEqual(errors.byRequest);
      expect(app.log).toHaveLength(3);
      expect(app.errors.pending).toEqual([]);
    });

    it("signs in again and resubscribes with the same client after its session ended", async () => {
      await using app = await new TestApp().begin(toClient);
      await logout(app.curfew.url, app.tokens.renewalToken);
      await app.errors.next();

      await app.signIn();
      await app.subscribe();

      await app.publish("after the next login");
      expect(app.log.slice(3)).toEqual(["connecting", "connected"]);
    });

    it("reconnects with a renewed token after its access token expired", async () => {
      await using app = await new TestApp().begin(toClient);
      const { accessToken } = app.tokens;

      app.clock.advance(accessTokenTtl + minute);

      await app.subscribed.next();
      await app.publish("after the expiry");
      expect(app.tokens.accessToken).not.toBe(accessToken);
      expect(app.log).toEqual([
        "connecting",
        "connected",
        "closed 4403 SESSION_EXPIRED",
        "connecting",
        "connected",
      ]);
      expect(app.errors.pending).toEqual([]);
    });

    it("resubscribes after a server restart", async () => {
      await using folder = await newFolder();
      const dataDir = folder.path;
      await using app = await new TestApp().begin(toClient, { dataDir });
      const restarted = Promise.withResolvers<void>();
      app.reconnectAllowed = restarted.promise;

      const { port } = new URL(app.curfew.url);
      await app.curfew.close();
      await app.serve({ dataDir, port: Number(port) });
      restarted.resolve();

      await app.subscribed.next();
      await app.publish("from the next server");
      expect(app.log).toEqual([
        "connecting",
        "connected",
        "closed 1012 SERVICE_RESTART",
        "connecting",
        "connected",
      ]);
      expect(app.errors.pending).toEqual([]);
    });
  });
}
