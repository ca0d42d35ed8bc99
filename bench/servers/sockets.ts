/** A graphql-ws server on ws, set up as its documentation says, with its orders. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { useServer } from "graphql-ws/use/ws";
import { createSchema } from "graphql-yoga";
import { WebSocketServer } from "ws";
import { machineTime } from "../harness/clock.ts";
import { serveOrders } from "../harness/orders.ts";
import { basics } from "./basics.ts";
import { typeDefs } from "./schema.ts";

type OnConnect = (context: { connectionParams?: unknown }) => Promise<boolean>;

const schema = createSchema({
  typeDefs: [typeDefs, "type Subscription { said: String! }"],
  resolvers: {
    Query: { viewer: () => ({ user: { id: "1" } }) },
    Subscription: { said: { subscribe: () => listen(), resolve: String } },
  },
});

/** Sends "ready" and then waits: a minimal subscription. */
function listen(): AsyncIterableIterator<string> {
  const events = ["ready"];
  let done: ((result: IteratorResult<string>) => void) | undefined;
  return {
    async next() {
      const value = events.shift();
      if (value !== undefined) return { value, done: false };
      return new Promise((resolve) => (done = resolve));
    },
    async return() {
      done?.({ value: undefined, done: true });
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** @param onConnect accepts or refuses a client. Default: accepts every client. */
export async function serveSockets(onConnect?: OnConnect): Promise<void> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/graphql" });
  useServer({ schema, ...(onConnect && { onConnect }) }, server);
  await once(server, "listening");
  serveOrders(ordersOf(server));
}

function ordersOf(server: WebSocketServer) {
  const { port } = server.address() as AddressInfo;

  return {
    ...basics,
    url: () => `http://127.0.0.1:${port}/graphql`,

    /** Closes all sockets in a loop. Resolves to when that began, by `machineTime`. */
    closeAll(): number {
      const began = machineTime();
      for (const socket of server.clients) socket.close(4401, "SESSION_ENDED");
      return began;
    },

    /** Sends the same frame to every socket with ws alone. Resolves to when that began, by `machineTime`. */
    sendAll({ message }: { message: string }): number {
      const began = machineTime();
      for (const socket of server.clients) socket.send(message);
      return began;
    },
  };
}
export type GraphqlWsOrders = ReturnType<typeof ordersOf>;
