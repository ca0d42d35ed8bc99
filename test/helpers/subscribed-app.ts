/** A server and a client app that subscribes to `news`, with a record of the app's events and errors. */
import type { Client } from "graphql-ws";
import { expect } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { fakeClock, startCurfew, type TestCurfew } from "./curfew.ts";
import { newEmail } from "./http.ts";
import { Queue } from "./queue.ts";

/** A GraphQL client as an app calls it. */
export interface AppClient {
  /** Sends a request over HTTP; `error` is what the client passes to the app. */
  run(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Outcome>;
  subscribe(query: string, handlers: SubscriptionHandlers): void;
}

export interface Outcome {
  readonly data?: any;
  readonly error?: unknown;
}

export interface SubscriptionHandlers {
  readonly event: (data: any) => void;
  readonly error: (error: unknown) => void;
}

export const minute = 60_000;
export const accessTokenTtl = 30 * minute;

export class SubscribedApp {
  readonly email = newEmail();
  readonly clock = fakeClock();
  readonly events = new Queue<any>();
  readonly errors = new Queue<unknown>();
  /** Events of the app's sockets: connecting, connected, closed. */
  readonly log: string[] = [];
  /** One entry for each subscription to `news` that the server has accepted. */
  readonly subscribed = new Queue<void>();
  curfew!: TestCurfew;
  client!: AppClient;

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

  /** Records the events of the sockets in `log`. */
  logSocketEvents(sockets: Client): void {
    sockets.on("connecting", () => this.log.push("connecting"));
    sockets.on("connected", () => this.log.push("connected"));
    sockets.on("closed", (event) => {
      const { code, reason } = event as { code: number; reason: string };
      this.log.push(`closed ${code} ${reason}`);
    });
  }

  /** Resolves when the server has accepted the subscription. */
  async subscribe(): Promise<void> {
    this.client.subscribe("subscription { news }", {
      event: (data) => this.events.push(data),
      error: (error) => this.errors.push(error),
    });
    await this.subscribed.next();
  }

  /** Resolves when the app has received the event. */
  async publish(news: string): Promise<void> {
    await this.curfew.events.publish("news", { news });
    expect(await this.events.next()).toEqual({ news });
  }
}
