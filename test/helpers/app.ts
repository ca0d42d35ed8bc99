/** An example app built on Curfew, whose slow resolvers a test releases. */
import type { Events } from "../../src/graphql/events.ts";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";

const typeDefs = /* GraphQL */ `
  type Query {
    hello: String!
    own: String! @authenticated
    vault: Vault!
    "Answers when the test calls release."
    slow: String! @authenticated
    broken: String!
  }
  type Vault @authenticated {
    word: String!
    number: Int!
  }
  type Mutation {
    say(text: String!): Int! @authenticated
    "Answers when the test calls release."
    sayLater(text: String!): String! @authenticated
  }
  type Subscription {
    said: String! @authenticated
    "As said, without a session."
    heard: String!
    "Yields once, then never again."
    blocked: Int! @authenticated
    broken: Int!
  }
`;

/** Yields "ready" first: from then on the subscriber misses no event. */
async function listen(events: Events) {
  const stream = await events.subscribe("said");
  stream.push("ready");
  return stream;
}

export function testApp() {
  const gate = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const calls: string[] = [];
  const later = async () => {
    started.resolve();
    await gate.promise;
  };
  const resolvers: CurfewOptions["resolvers"] = {
    Query: {
      hello: () => "world",
      own: (_parent, _args, { session }) => session?.fingerprint,
      vault: () => ({ word: "sesame", number: 7 }),
      slow: async () => (await later(), "done"),
      broken: () => {
        throw new Error("a secret of the app");
      },
    },
    Mutation: {
      say: async (_parent, { text }, { events }) => {
        calls.push(text);
        await events.publish("said", text);
        return calls.length;
      },
      sayLater: async (_parent, { text }) => {
        await later();
        calls.push(text);
        return text;
      },
    },
    Subscription: {
      said: { subscribe: (_parent, _args, { events }) => listen(events), resolve: String },
      heard: { subscribe: (_parent, _args, { events }) => listen(events), resolve: String },
      blocked: {
        subscribe: async function* () {
          yield 1;
          await new Promise(() => {});
        },
        resolve: Number,
      },
      broken: {
        subscribe: () => {
          throw new Error("a secret of the app");
        },
      },
    },
  };
  return {
    schema: { typeDefs, resolvers },
    /** The texts that the mutations received, in order. */
    calls,
    /** Resolves when a resolver waits for `release`. */
    started: started.promise,
    release: () => gate.resolve(),
  };
}
