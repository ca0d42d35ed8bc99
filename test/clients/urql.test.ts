import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import type { Sink } from "graphql-ws";
import { expect } from "vitest";
import { sessionOptions } from "../../src/client/urql.ts";
import { appClientContract, type App } from "../contract/app-client.contract.ts";
import { sessionClientContract, type SessionApp } from "../contract/session-client.contract.ts";
import type { AppClient } from "../helpers/subscribed-app.ts";

appClientContract(urql, {
  bySubscription: expect.objectContaining({
    name: "CombinedError",
    networkError: expect.objectContaining({ code: 4401, reason: "SESSION_ENDED" }),
  }),
  byRequest: expect.objectContaining({
    name: "CombinedError",
    message: "[GraphQL] The session has ended; sign in again.",
    graphQLErrors: [
      expect.objectContaining({
        extensions: { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "LOGOUT" },
      }),
    ],
  }),
});

sessionClientContract(
  urqlWithSession,
  expect.objectContaining({
    name: "CombinedError",
    networkError: expect.objectContaining({ name: "SignedOut", reason: "SESSION_ENDED" }),
  }),
);

function urqlWithSession({ session, sockets }: SessionApp): AppClient {
  return appOf(
    new Client(sessionOptions({ fetchExchange, subscriptionExchange }, session, sockets)),
  );
}

function urql({ url, token, sockets }: App): AppClient {
  return appOf(
    new Client({
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
    }),
  );
}

function appOf(client: Client): AppClient {
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
