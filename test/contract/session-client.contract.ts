/** What every GraphQL client does for an app by `curfew/client`, with nothing in the app about tokens. */
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

/** One that leaves its tokens to `curfew/client`. */
class Story extends SubscribedApp implements AsyncDisposable {
  readonly kept = new Map<string, string>();
  session!: Session;
  #sockets!: Client;

  async begin(toClient: (app: SessionApp) => AppClient, options: CurfewOptions = {}) {
    await this.serve(options);
    this.session = createSession({
      url: this.curfew.url,
      storage: {
        getItem: (key) => this.kept.get(key) ?? null,
        setItem: (key, value) => this.kept.set(key, value),
        removeItem: (key) => this.kept.delete(key),
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
    return JSON.parse([...this.kept.values()][0] ?? "").renewalToken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.dispose();
    await this.#sockets.dispose();
    await this.curfew.close();
  }
}

/** @param ended what the app's code sees of a subscription whose session ended */
export function sessionClientContract(
  toClient: (app: SessionApp) => AppClient,
  ended: unknown,
): void {
  describe("an app with a session of its own", () => {
    it.each([
      ["", "same-network"],
      [", also where each socket has to show the new token", "none"],
    ] as const)(
      "keeps its subscription through renewals that it knows nothing of%s",
      async (_, renewalExtends) => {
        await using story = await new Story().begin(toClient, {
          renewalExtends,
          // The client has the last fifth of it for a renewal: a second is more than it takes.
          accessTokenTtl: 5_000,
          renewalGrace: 4_000,
          clock: Date.now,
        });
        const first = await story.session.accessToken();
        await until(async () => (await story.session.accessToken()) !== first, "a renewal");
        const second = await story.session.accessToken();
        await until(async () => (await story.session.accessToken()) !== second, "another");

        await story.publish("after two renewals");
        expect(story.log).toEqual(["connecting", "connected"]);
      },
    );

    it("is told once when its session is ended elsewhere, and does not come back", async () => {
      await using story = await new Story().begin(toClient);
      const states: unknown[] = [];
      story.session.subscribe((state) => states.push(state));

      expect(await logout(story.curfew.url, story.renewalToken)).toBe(1);

      expect(await story.errors.next()).toEqual(ended);
      expect(states).toEqual([{ status: "signedOut", reason: "ENDED" }]);
      await until(() => story.curfew.connections.size === 0, "the server to forget the socket");
      const { data } = await story.client.run("mutation { logout { endedSessions } }");
      expect(data.logout).toMatchObject({ endedSessions: 0 });
      expect(story.log).toEqual(["connecting", "connected", "closed 4401 SESSION_ENDED"]);
      expect(story.errors.pending).toEqual([]);
    });

    it("that was ended signs in again and goes on with the same client", async () => {
      await using story = await new Story().begin(toClient);
      await logout(story.curfew.url, story.renewalToken);
      await story.errors.next();

      await story.session.login({ email: story.email, password });
      await story.subscribe();

      await story.publish("after the next login");
      expect(story.log.slice(3)).toEqual(["connecting", "connected"]);
    });

    it("whose access token the server takes for expired comes back with a fresh one", async () => {
      await using story = await new Story().begin(toClient);

      story.clock.advance(accessTokenTtl + minute);

      await story.subscribed.next();
      await story.publish("after the expiry");
      expect(story.log.slice(2)).toEqual([
        "closed 4403 SESSION_EXPIRED",
        "connecting",
        "connected",
      ]);
      expect(story.errors.pending).toEqual([]);
    });

    it("is answered though its access token was superseded", async () => {
      await using story = await new Story().begin(toClient);
      await renew(story.curfew.url, story.renewalToken);

      const { data, error } = await story.client.run(
        "mutation { endOtherSessions { endedSessions } }",
      );

      expect(error).toBeUndefined();
      expect(data.endOtherSessions).toMatchObject({ endedSessions: 0 });
      await story.publish("on the same socket");
      expect(story.log).toEqual(["connecting", "connected"]);
    });

    it("has its subscription back after the server was restarted", async () => {
      await using folder = await newFolder();
      const dataDir = folder.path;
      await using story = await new Story().begin(toClient, { dataDir });

      const { port } = new URL(story.curfew.url);
      await story.curfew.close();
      // In vain at least once: nobody is there.
      await until(() => story.log.filter((line) => line === "connecting").length > 1, "an attempt");
      await story.serve({ dataDir, port: Number(port) });

      await story.subscribed.next();
      await story.publish("from the next server");
      expect(story.log[2]).toBe("closed 1012 SERVICE_RESTART");
      expect(story.log.at(-1)).toBe("connected");
      expect(story.errors.pending).toEqual([]);
    });

    it("changes its password, stays signed in, and brings its subscription back by itself", async () => {
      await using story = await new Story().begin(toClient);
      const { session } = story;
      const newPassword = "a longer correct horse battery staple";

      const wrong = await session.changePassword({ currentPassword: "wrong", newPassword });
      expect(wrong).toMatchObject({ __typename: "InvalidCredentials" });
      const changed = await session.changePassword({ currentPassword: password, newPassword });
      expect(changed).toEqual({ __typename: "PasswordChanged", endedSessions: 0 });

      story.clock.advance(minute);
      const { error } = await story.client.run("mutation { endOtherSessions { endedSessions } }");
      expect(error).toBeUndefined();
      const connected = () => story.log.filter((entry) => entry === "connected").length === 2;
      await until(connected, "the subscription to be back with a token from after the change");
      await story.subscribed.next();
      await story.publish("on the next socket");
      expect(story.log).toEqual([
        "connecting",
        "connected",
        "closed 4403 SESSION_EXPIRED",
        "connecting",
        "connected",
      ]);
    });
  });
}
