/** What an urql client is set up with: HTTP and sockets under the session. */
import type { ClientOptions, Exchange, fetchExchange, subscriptionExchange } from "@urql/core";
import type { Client, Sink } from "graphql-ws";
import type { Session } from "./types.ts";
import { sessionFetch } from "./fetch.ts";

export interface UrqlParts {
  readonly fetchExchange: typeof fetchExchange;
  readonly subscriptionExchange: typeof subscriptionExchange;
}

/**
 * Subscriptions go over the socket, all else over HTTP. `exchanges` are the last ones: those of a cache and
 * the like come before them.
 * @param parts urql's own
 * @param sockets from `createSocketClient`
 */
export function sessionOptions(
  { fetchExchange, subscriptionExchange }: UrqlParts,
  session: Session,
  sockets: Client,
): Pick<ClientOptions, "url" | "fetch" | "preferGetMethod"> & { readonly exchanges: Exchange[] } {
  return {
    url: session.url,
    fetch: sessionFetch(session),
    // A query in a URL would stand in the logs of proxies.
    preferGetMethod: false,
    exchanges: [
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables, operationName }) => ({
          subscribe: (sink) => ({
            unsubscribe: sockets.subscribe({ query, variables, operationName }, sink as Sink),
          }),
        }),
      }),
      fetchExchange,
    ],
  };
}
