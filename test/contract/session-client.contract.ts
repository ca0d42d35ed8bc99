/** A contract for GraphQL clients with `curfew/client`, in an app without token handling. */
import { createClient, type Client } from "graphql-ws";
import { describe, expect, it } from "vitest";
import { createSocketClient } from "../../src/client/graphql-ws.ts";
import { createSession, type Session } from "../../src/client/index.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { newFolder } from "../helpers/command.ts";
import { logout, password, renew } from "../helpers/http.ts";
import {
  accessTokenTtl,
  minute,
  SubscribedApp,
  type AppClient,
} from "../helpers/subscribed-app.ts";
import { until } from "../helpers/until.ts";

export interface SessionApp {
  readonly session: Session;
  readonly sockets: Client;
}

/** An app whose tokens are managed by `curfew/client`. */
class TestApp extends SubscribedApp implements AsyncDisposable {
  readonly stored = new Map<string, string>();
  session!: Session;
  #sockets!: Client;

  async begin(toClient: (app: SessionApp) => AppClient, options: CurfewOptions = {}) {
    await this.serve(options);
    this.session = createSession({
      url: this.curfew.url,
      storage: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => this.stored.set(key, value),
        removeItem: (key) => this.stored.delete(key),
      },
    });
    this.#sockets = createSocketClient(createClient, this.session);
    this.logSocketEvents(this.#sockets);
    this.client = toClient({ session: this.session, sockets: this.#sockets });
    const result = await this.session.register({ email: this.email, password });
    expect(result).toMatchObject({ __typename: "SignedIn" });
    await this.subscribe();
    return this;
  }

  get renewalToken(): string {
    return JSON.parse([...this.stored.values()][0] ?? "").renewalToken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.dispose();
    await this.#sockets.dispose();
    await this.curfew.close();
  }
}

/** @param ended the error that the app receives on a subscription when its session has ended */
export function sessionClientContract(
  toClient: (app: SessionApp) => AppClient,
  ended: unknown,
): void {
  describe("an app with a client session", () => {
    it.each([
      ["", "same-network"],
      [", also if each socket must show the new token", "none"],
    ] as const)(
      "keeps its subscription through automatic renewals%s",
      async (_, renewalExtends) => {
        await using app = await new TestApp().begin(toClient, {
          renewalExtends,
          // The client renews in the last fifth: one second, which is enough.
          accessTokenTtl: 5_000,
          renewalGrace: 4_000,
          clock: Date.now,
        });
        const first = await app.session.accessToken();
        await until(async () => (await app.session.accessToken()) !== first, "a renewal");
        const second = await app.session.accessToken();
        await until(async () => (await app.session.accessToken()) !== second, "another");

        await app.publish("after two renewals");
        expect(app.log).toEqual(["connecting", "connected"]);
      },
    );

    it("receives one error when its session is ended elsewhere, and does not reconnect", async () => {
      await using app = await new TestApp().begin(toClient);
      const states: unknown[] = [];
      app.session.subscribe((state) => states.push(state));

      expect(await logout(app.curfew.url, app.renewalToken)).toBe(1);

      expect(await app.errors.next()).toEqual(ended);
      expect(states).toEqual([{ status: "signedOut", reason: "ENDED", endReason: "LOGOUT" }]);
      await until(() => app.curfew.connections.size === 0, "the server to forget the socket");
      const { data } = await app.client.run("mutation { logout { endedSessions } }");
      expect(data.logout).toMatchObject({ endedSessions: 0 });
      expect(app.log).toEqual(["connecting", "connected", "closed 4401 SESSION_ENDED"]);
      expect(app.errors.pending).toEqual([]);
    });

    it("signs in again and resubscribes with the same client after its session ended", async () => {
      await using app = await new TestApp().begin(toClient);
      await logout(app.curfew.url, app.renewalToken);
      await app.errors.next();

      await app.session.login({ email: app.email, password });
      await app.subscribe();

      await app.publish("after the next login");
      expect(app.log.slice(3)).toEqual(["connecting", "connected"]);
    });

    it("reconnects with a fresh token when the server's clock says that the token expired", async () => {
      await using app = await new TestApp().begin(toClient);

      app.clock.advance(accessTokenTtl + minute);

      await app.subscribed.next();
      await app.publish("after the expiry");
      expect(app.log.slice(2)).toEqual(["closed 4403 SESSION_EXPIRED", "connecting", "connected"]);
      expect(app.errors.pending).toEqual([]);
    });

    it("repeats a request whose access token was superseded", async () => {
      await using app = await new TestApp().begin(toClient);
      await renew(app.curfew.url, app.renewalToken);

      const { data, error } = await app.client.run(
        "mutation { endOtherSessions { endedSessions } }",
      );

      expect(error).toBeUndefined();
      expect(data.endOtherSessions).toMatchObject({ endedSessions: 0 });
      await app.publish("on the same socket");
      expect(app.log).toEqual(["connecting", "connected"]);
    });

    it("resubscribes after a server restart", async () => {
      await using folder = await newFolder();
      const dataDir = folder.path;
      await using app = await new TestApp().begin(toClient, { dataDir });

      const { port } = new URL(app.curfew.url);
      await app.curfew.close();
      // At least one attempt fails, because no server listens.
      await until(() => app.log.filter((line) => line === "connecting").length > 1, "an attempt");
      await app.serve({ dataDir, port: Number(port) });

      await app.subscribed.next();
      await app.publish("from the next server");
      expect(app.log[2]).toBe("closed 1012 SERVICE_RESTART");
      expect(app.log.at(-1)).toBe("connected");
      expect(app.errors.pending).toEqual([]);
    });

    it("stays signed in and resubscribes after it changes its password", async () => {
      await using app = await new TestApp().begin(toClient);
      const { session } = app;
      const newPassword = "a longer correct horse battery staple";

      const wrong = await session.changePassword({ currentPassword: "wrong", newPassword });
      expect(wrong).toMatchObject({ __typename: "InvalidCredentials" });
      const changed = await session.changePassword({ currentPassword: password, newPassword });
      expect(changed).toEqual({ __typename: "PasswordChanged", endedSessions: 0 });

      app.clock.advance(minute);
      const { error } = await app.client.run("mutation { endOtherSessions { endedSessions } }");
      expect(error).toBeUndefined();
      const connected = () => app.log.filter((entry) => entry === "connected").length === 2;
      await until(connected, "the subscription to be back with a token from after the change");
      await app.subscribed.next();
      await app.publish("on the next socket");
      expect(app.log).toEqual([
        "connecting",
        "connected",
        "closed 4403 SESSION_EXPIRED",
        "connecting",
        "connected",
      ]);
    });
  });
}
