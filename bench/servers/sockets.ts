/** A server of graphql-ws on ws as its documentation sets it up, and what it can be ordered to. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { useServer } from "graphql-ws/use/ws";
import { createSchema } from "graphql-yoga";
import { WebSocketServer } from "ws";
import { machineTime } from "../harness/clock.ts";
import { obey } from "../harness/orders.ts";
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

/** Says "ready", and then waits: the least that a subscription can be. */
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

/** @param onConnect lets in whom it will; without it, everybody. */
export async function serveSockets(onConnect?: OnConnect): Promise<void> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/graphql" });
  useServer({ schema, ...(onConnect && { onConnect }) }, server);
  await once(server, "listening");
  obey(ordersOf(server));
}

function ordersOf(server: WebSocketServer) {
  const { port } = server.address() as AddressInfo;

  return {
    ...basics,
    url: () => `http://127.0.0.1:${port}/graphql`,

    /** Resolves to when that began, by `machineTime`. */
    closeAll(): number {
      const began = machineTime();
      for (const socket of server.clients) socket.close(4401, "SESSION_ENDED");
      return began;
    },

    /** The same frame to every socket, by ws alone. Resolves to when that began, by `machineTime`. */
    sendAll({ message }: { message: string }): number {
      const began = machineTime();
      for (const socket of server.clients) socket.send(message);
      return began;
    },
  };
}
export type GraphqlWsOrders = ReturnType<typeof ordersOf>;
