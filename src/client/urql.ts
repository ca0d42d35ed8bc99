/** The options for an urql client: sends operations over HTTP and sockets with the session's token. */
import type { ClientOptions, Exchange, fetchExchange, subscriptionExchange } from "@urql/core";
import type { Client, Sink } from "graphql-ws";
import type { Session } from "./types.ts";
import { sessionFetch } from "./fetch.ts";

export interface UrqlParts {
  readonly fetchExchange: typeof fetchExchange;
  readonly subscriptionExchange: typeof subscriptionExchange;
}

/**
 * Returns options that send subscriptions over the socket and everything else over HTTP. Its `exchanges` go
 * last: put a cache and other exchanges before them.
 *
 * @param parts urql's own exchanges
 * @param sockets the client from `createSocketClient`
 */
export function sessionOptions(
  { fetchExchange, subscriptionExchange }: UrqlParts,
  session: Session,
  sockets: Client,
): Pick<ClientOptions, "url" | "fetch" | "preferGetMethod"> & { readonly exchanges: Exchange[] } {
  return {
    url: session.url,
    fetch: sessionFetch(session),
    // Proxies write URLs to their logs, with the query of a GET.
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
