/** An existing news server. The lines with `curfew` add sessions to it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { openSessions, resolvers, typeDefs, type CurfewContext } from "curfew";
import { useServer } from "graphql-ws/use/ws";
import { createPubSub, createSchema, createYoga } from "graphql-yoga";
import { WebSocketServer } from "ws";

const curfew = await openSessions({ dataDir: process.env["DATA_DIR"] ?? "./data" });
const pubSub = createPubSub<{ news: [text: string] }>();

const schema = createSchema<CurfewContext>({
  typeDefs: [
    typeDefs,
    `type Query { motd: String! }
     type Mutation { publish(text: String!): Boolean! @authenticated }
     type Subscription { news: String! @authenticated }`,
  ],
  resolvers: [
    resolvers,
    {
      Query: { motd: () => "Extra! Extra!" },
      Mutation: {
        publish: (_parent: unknown, { text }: { text: string }, { session }: CurfewContext) => {
          pubSub.publish("news", `${session?.userId}: ${text}`);
          return true;
        },
      },
      Subscription: { news: { subscribe: () => pubSub.subscribe("news"), resolve: String } },
    },
  ],
});

const yoga = createYoga({ schema, plugins: [curfew.plugin] });
const server = createServer(yoga);
const sockets = useServer(
  curfew.socketOptions(yoga),
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
);

server.listen(Number(process.env["PORT"] ?? 4000), () => {
  const { port } = server.address() as AddressInfo;
  console.log(`http://localhost:${port}${yoga.graphqlEndpoint}`);
});
process.once("SIGTERM", async () => {
  server.close();
  await curfew.close();
  await sockets.dispose();
});
