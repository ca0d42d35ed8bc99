/** An app that is subscribed to `news` by a client of its own, and what happens to it. */
import type { Client } from "graphql-ws";
import { expect } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { fakeClock, startCurfew, type TestCurfew } from "./curfew.ts";
import { newEmail } from "./http.ts";
import { Queue } from "./queue.ts";

/** The client, as an app would call it. */
export interface AppClient {
  /** Over HTTP; with the error of the answer, if there is one, as the client gives it to the app. */
  run(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Outcome>;
  subscribe(query: string, reader: SubscriptionHandlers): void;
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
  /** The life of the app's sockets. */
  readonly log: string[] = [];
  /** One entry each time that the server has a subscription to `news`. */
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

  /** Writes down what becomes of the sockets. */
  logSocketEvents(sockets: Client): void {
    sockets.on("connecting", () => this.log.push("connecting"));
    sockets.on("connected", () => this.log.push("connected"));
    sockets.on("closed", (event) => {
      const { code, reason } = event as { code: number; reason: string };
      this.log.push(`closed ${code} ${reason}`);
    });
  }

  /** Resolves when the server has it. */
  async subscribe(): Promise<void> {
    this.client.subscribe("subscription { news }", {
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
}
