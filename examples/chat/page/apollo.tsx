/** The chat with Apollo Client. */
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { ApolloProvider, useMutation, useQuery, useSubscription } from "@apollo/client/react";
import { sessionLink } from "curfew/client/apollo";
import { useEffect, useState } from "react";
import { added, documents, type Data } from "./data.ts";
import { open } from "./open.tsx";
import { session, sockets } from "./session.ts";

const createClient = () =>
  new ApolloClient({
    link: sessionLink({ ApolloLink, HttpLink, GraphQLWsLink }, session, sockets),
    cache: new InMemoryCache(),
  });

const apollo: Data = {
  name: "Apollo Client",

  Provider({ children }) {
    const [client] = useState(createClient);
    return <ApolloProvider client={client}>{children}</ApolloProvider>;
  },

  useMessages(room) {
    const variables = { room };
    const { data, error, subscribeToMore } = useQuery(documents.messages, { variables });
    const [failure, setFailure] = useState<Error>();
    const after = data?.messages.at(-1)?.id;
    const isLoaded = data !== undefined;
    useEffect(() => {
      if (!isLoaded) return;
      return subscribeToMore({
        document: documents.messageSaid,
        variables: { room, after },
        updateQuery: (_, { complete, previousData, subscriptionData }) =>
          complete
            ? { messages: added(previousData.messages, subscriptionData.data.messageSaid) }
            : undefined,
        onError: setFailure,
      });
      // Without `after`: the subscription continues where the query ended, and must not restart.
    }, [room, isLoaded, subscribeToMore]);
    return { messages: data?.messages ?? [], error: error ?? failure };
  },

  usePresent(room) {
    return useSubscription(documents.present, { variables: { room } }).data?.present ?? [];
  },

  useDevices() {
    const { data, refetch } = useQuery(documents.devices);
    useSubscription(documents.sessionEvents, {
      onData({ data: { data: event } }) {
        if (event?.sessionEvents.type !== "RENEWED") void refetch();
      },
    });
    return data?.viewer?.sessions ?? [];
  },

  useSay(room) {
    const [say] = useMutation(documents.say);
    return async (text) => {
      const { data } = await say({ variables: { room, text } });
      return data?.say.__typename === "InvalidInput" ? data.say.message : undefined;
    };
  },

  useEndSession() {
    const [endSession] = useMutation(documents.endSession);
    return async (id) => void (await endSession({ variables: { id } }));
  },
};

open(apollo);
