import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import type { Sink } from "graphql-ws";
import { expect } from "vitest";
import { appClientContract, type App, type AppClient } from "../contract/app-client.contract.ts";

appClientContract(urql, {
  bySubscription: expect.objectContaining({
    name: "CombinedError",
    networkError: expect.objectContaining({ code: 4401, reason: "SESSION_ENDED" }),
  }),
  byRequest: expect.objectContaining({
    name: "CombinedError",
    message: "[GraphQL] The session has ended; sign in again.",
    graphQLErrors: [
      expect.objectContaining({ extensions: { code: "UNAUTHENTICATED", reason: "ENDED" } }),
    ],
  }),
});

function urql({ url, token, sockets }: App): AppClient {
  const client = new Client({
    url,
    preferGetMethod: false,
    fetchOptions: () => ({
      headers: token() === undefined ? {} : { authorization: `Bearer ${token()}` },
    }),
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: sockets.subscribe({ query, variables }, sink as Sink),
          }),
        }),
      }),
    ],
  });
  return {
    run: (query, variables = {}) => client.mutation(query, variables).toPromise(),
    subscribe(query, { event, error }) {
      client.subscription(query, {}).subscribe((result) => {
        if (result.error === undefined) event(result.data);
        else error(result.error);
      });
    },
  };
}
