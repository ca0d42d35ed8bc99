import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { expect } from "vitest";
import { sessionLink } from "../../src/client/apollo.ts";
import { appClientContract, type App } from "../contract/app-client.contract.ts";
import { sessionClientContract, type SessionApp } from "../contract/session-client.contract.ts";
import type { AppClient } from "../helpers/subscribed-app.ts";

appClientContract(apollo, {
  // Apollo reports the close code and reason only in this text.
  bySubscription: new Error("Socket closed with event 4401 SESSION_ENDED"),
  byRequest: expect.objectContaining({
    name: "CombinedGraphQLErrors",
    message: "The session has ended; sign in again.",
    errors: [
      expect.objectContaining({
        extensions: { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "LOGOUT" },
      }),
    ],
  }),
});

sessionClientContract(
  apolloWithSession,
  expect.objectContaining({ name: "SignedOut", code: 4401, reason: "SESSION_ENDED" }),
);

function apolloWithSession({ session, sockets }: SessionApp): AppClient {
  return appOf(sessionLink({ ApolloLink, HttpLink, GraphQLWsLink }, session, sockets));
}

function apollo({ url, token, sockets }: App): AppClient {
  const authorize = new SetContextLink(({ headers }) => ({
    headers: { ...headers, ...(token() !== undefined && { authorization: `Bearer ${token()}` }) },
  }));
  return appOf(
    ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(sockets),
      authorize.concat(new HttpLink({ uri: url })),
    ),
  );
}

function appOf(link: ApolloLink): AppClient {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return {
    run: (query, variables = {}) =>
      client.mutate({ mutation: gql(query), variables, errorPolicy: "all" }),
    subscribe(query, { event, error }) {
      client.subscribe({ query: gql(query) }).subscribe((result) => {
        if (result.error === undefined) event(result.data);
        else error(result.error);
      });
    },
  };
}
