/** Options for an urql client that sends its operations, with the session's token, over HTTP and over a socket. */
import type { ClientOptions, Exchange, fetchExchange, subscriptionExchange } from "@urql/core";
import type { Client, Sink } from "graphql-ws";
import type { Session } from "./types.ts";
import { sessionFetch } from "./fetch.ts";

export interface UrqlParts {
  readonly fetchExchange: typeof fetchExchange;
  readonly subscriptionExchange: typeof subscriptionExchange;
}

/**
 * Returns options for urql's `Client`. The client then sends subscriptions over the socket, and queries and
 * mutations over HTTP. The returned `exchanges` must be the last ones: put a cache and other exchanges before them.
 *
 * @param parts the two exchanges of `@urql/core`
 * @param sockets the graphql-ws client from `createSocketClient`
 */
export function sessionOptions(
  { fetchExchange, subscriptionExchange }: UrqlParts,
  session: Session,
  sockets: Client,
): Pick<ClientOptions, "url" | "fetch" | "preferGetMethod"> & { readonly exchanges: Exchange[] } {
  return {
    url: session.url,
    fetch: sessionFetch(session),
    // The URL of a GET request contains the GraphQL query, and proxies write URLs to their logs.
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
