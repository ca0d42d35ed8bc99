/** A standalone Apollo Server, set up as its documentation says, with the same session check by hand. */
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { serveOrders } from "../harness/orders.ts";
import { basics } from "../servers/basics.ts";
import { resolvers, userOf, type Context } from "../servers/check.ts";
import { typeDefs } from "../servers/schema.ts";

const server = new ApolloServer<Context>({ typeDefs, resolvers });
const { url } = await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: 0 },
  context: async ({ req }) => ({ userId: await userOf(req.headers.authorization) }),
});

serveOrders({ ...basics, url: () => url });
