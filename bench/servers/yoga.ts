/** GraphQL Yoga, set up as its documentation says, with the same session check by hand. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createSchema, createYoga } from "graphql-yoga";
import { serveOrders } from "../harness/orders.ts";
import { basics } from "./basics.ts";
import { resolvers, userOf, type Context } from "./check.ts";
import { typeDefs } from "./schema.ts";

const yoga = createYoga({
  schema: createSchema<Context>({ typeDefs, resolvers }),
  context: async ({ request }): Promise<Context> => ({
    userId: await userOf(request.headers.get("authorization") ?? undefined),
  }),
});
const server = createServer((request, response) => void yoga(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

serveOrders({ ...basics, url: () => `http://127.0.0.1:${port}/graphql` });
