/** A server in a child process with a small heap, whose operations retain what clients send. */
import { setTimeout as pause } from "node:timers/promises";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew } from "./curfew.ts";
import { device } from "./sessions.ts";

const app: CurfewOptions = {
  typeDefs: `
    scalar JSON
    type Query {
      "A megabyte."
      large: String! @authenticated
    }
    type Subscription { silent(filter: JSON): Silent! @authenticated }
    type Silent { a: Int }
  `,
  resolvers: {
    Query: { large: () => "x".repeat(1024 * 1024) },
    Subscription: {
      silent: { subscribe: (_parent, _args, { events }) => events.subscribe("silence") },
    },
  },
  // Clients choose their address in X-Forwarded-For.
  trustProxy: 1,
  maxSocketsPerAddress: 1_000,
};

const curfew = await startCurfew(app);

/** Starts sessions of a user and replies with their access tokens. */
process.on("message", ({ userId, count }: { readonly userId: string; readonly count: number }) => {
  const start = () => curfew.sessions.start(userId, device);
  void Promise.all(Array.from({ length: count }, start)).then((issued) =>
    process.send?.(issued.map(({ tokens }) => tokens.accessToken)),
  );
});
process.send?.(curfew.url);
process.once("disconnect", () => process.exit());
void pause(300_000, undefined, { ref: false }).then(() => process.exit(1));
