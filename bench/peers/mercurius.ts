/** Mercurius on Fastify, set up as its documentation says, with JIT if requested, and the same session check by hand. */
import { fastify } from "fastify";
import { mercurius } from "mercurius";
import { serveOrders } from "../harness/orders.ts";
import { basics } from "../servers/basics.ts";
import { resolvers, userOf, type Context } from "../servers/check.ts";
import { typeDefs } from "../servers/schema.ts";

declare module "mercurius" {
  interface MercuriusContext extends Context {}
}

const app = fastify();
await app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  context: async (request) => ({ userId: await userOf(request.headers.authorization) }),
  jit: Number(process.env["JIT"] ?? 0),
});
const address = await app.listen({ host: "127.0.0.1", port: 0 });

serveOrders({ ...basics, url: () => `${address}/graphql` });
