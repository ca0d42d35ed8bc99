/** Curfew with settings from the environment, and an app schema with one subscription. */
import { createCurfew, loadOptions } from "../../src/index.ts";
import { serveOrders } from "../harness/orders.ts";
import { machineTime } from "../harness/clock.ts";
import { basics } from "./basics.ts";

const curfew = await createCurfew({
  ...loadOptions(process.env),
  port: 0,
  typeDefs: /* GraphQL */ `
    type Subscription {
      said: String! @authenticated
    }
  `,
  resolvers: {
    Subscription: {
      said: {
        subscribe: async (_parent, _args, { events }) => {
          const stream = await events.subscribe("said");
          stream.push("ready");
          return stream;
        },
        resolve: String,
      },
    },
  },
});

const device = { userAgent: "Benchmark/1.0", ipAddress: "127.0.0.1" };

export interface Started {
  readonly fingerprint: string;
  readonly accessToken: string;
  readonly renewalToken: string;
}

const orders = {
  ...basics,
  url: () => curfew.url,

  /** Starts sessions of one user, or of a new user each. */
  async start({ count, userId }: { count: number; userId?: string }): Promise<Started[]> {
    const started: Started[] = [];
    // In batches: with too many at once, Redis would appear to hang.
    while (started.length < count) {
      const some = Array.from({ length: Math.min(100, count - started.length) }, () =>
        curfew.sessions.start(userId ?? crypto.randomUUID(), device),
      );
      for (const { session, tokens } of await Promise.all(some)) {
        const { accessToken, renewalToken } = tokens;
        started.push({ fingerprint: session.fingerprint, accessToken, renewalToken });
      }
    }
    return started;
  },

  /** Ends all sessions at once. Resolves to when that began, by `machineTime`. */
  async end({ fingerprints }: { fingerprints: readonly string[] }): Promise<number> {
    const began = machineTime();
    const ends = fingerprints.map((fingerprint) => curfew.sessions.end(fingerprint, "LOGOUT"));
    const ended = (await Promise.all(ends)).reduce((sum, count) => sum + count, 0);
    if (ended !== fingerprints.length) throw new Error(`Only ${ended} sessions were ended.`);
    return began;
  },

  /** Renews each session `times` times, `atOnce` sessions in parallel. Resolves to the duration in seconds. */
  async renew({ tokens, times, atOnce }: Renewals): Promise<number> {
    const left = tokens.values();
    const work = async () => {
      for (let token of left)
        for (let i = 0; i < times; i += 1) {
          const renewal = await curfew.sessions.renew(token);
          if (renewal.outcome === "refused") throw new Error(renewal.reason);
          token = renewal.tokens.renewalToken;
        }
    };
    const began = machineTime();
    await Promise.all(Array.from({ length: atOnce }, work));
    return (machineTime() - began) / 1_000;
  },

  /** Runs one recheck, as the node does every `RECHECK_INTERVAL`. */
  recheck: () => curfew.connections.recheck("all"),

  /** Publishes a text to all subscribers of `said`. Resolves to when it was sent, by `machineTime`. */
  async say({ text }: { text: string }): Promise<number> {
    const began = machineTime();
    await curfew.events.publish("said", text);
    return began;
  },
};

export interface Renewals {
  readonly tokens: readonly string[];
  readonly times: number;
  readonly atOnce: number;
}

export type CurfewOrders = typeof orders;

serveOrders(orders);
