/** The link for Apollo Client 4: sends operations over HTTP and sockets with the session's token. */
import type { ApolloLink, HttpLink } from "@apollo/client";
import type { Client } from "graphql-ws";
import type { Session } from "./types.ts";
import { sessionFetch } from "./fetch.ts";

export interface ApolloParts {
  readonly ApolloLink: typeof ApolloLink;
  readonly HttpLink: typeof HttpLink;
  /** From `@apollo/client/link/subscriptions`. */
  readonly GraphQLWsLink: new (client: Client) => ApolloLink;
}

/**
 * Creates a link that sends subscriptions over the socket and everything else over HTTP.
 *
 * @param parts Apollo's own classes
 * @param sockets the client from `createSocketClient`
 */
export function sessionLink(
  { ApolloLink, HttpLink, GraphQLWsLink }: ApolloParts,
  session: Session,
  sockets: Client,
): ApolloLink {
  return ApolloLink.split(
    ({ operationType: type }: { readonly operationType: string }) => type === "subscription",
    new GraphQLWsLink(sockets),
    new HttpLink({ uri: session.url, fetch: sessionFetch(session) }),
  );
}
