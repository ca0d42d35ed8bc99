/** The chat with urql. */
import { sessionOptions } from "curfew/client/urql";
import { useState } from "react";
import {
  cacheExchange,
  Client,
  fetchExchange,
  Provider,
  subscriptionExchange,
  useMutation,
  useQuery,
  useSubscription,
} from "urql";
import { added, documents, type Data, type Message } from "./data.ts";
import { open } from "./open.tsx";
import { session, sockets } from "./session.ts";

function createClient(): Client {
  const options = sessionOptions({ fetchExchange, subscriptionExchange }, session, sockets);
  return new Client({ ...options, exchanges: [cacheExchange, ...options.exchanges] });
}

const urql: Data = {
  name: "urql",

  Provider({ children }) {
    const [client] = useState(createClient);
    return <Provider value={client}>{children}</Provider>;
  },

  useMessages(room) {
    const [{ data, error }] = useQuery({ query: documents.messages, variables: { room } });
    // The subscription continues where the first response ended.
    const [after, setAfter] = useState<{ readonly id: string | undefined }>();
    if (after === undefined && data !== undefined) setAfter({ id: data.messages.at(-1)?.id });
    const [said] = useSubscription(
      {
        query: documents.messageSaid,
        variables: { room, after: after?.id },
        pause: after === undefined,
      },
      (messages: readonly Message[] = [], { messageSaid }) => added(messages, messageSaid),
    );
    const messages = (said.data ?? []).reduce(added, data?.messages ?? []);
    return { messages, error: error ?? said.error };
  },

  usePresent(room) {
    const [{ data }] = useSubscription({ query: documents.present, variables: { room } });
    return data?.present ?? [];
  },

  useDevices() {
    const [{ data }, refetch] = useQuery({ query: documents.devices });
    useSubscription({ query: documents.sessionEvents }, (_, event) => {
      if (event.sessionEvents.type !== "RENEWED") refetch({ requestPolicy: "network-only" });
      return event;
    });
    return data?.viewer?.sessions ?? [];
  },

  useSay(room) {
    const [, say] = useMutation(documents.say);
    return async (text) => {
      const { data, error } = await say({ room, text });
      if (error !== undefined) throw error;
      return data?.say.__typename === "InvalidInput" ? data.say.message : undefined;
    };
  },

  useEndSession() {
    const [, endSession] = useMutation(documents.endSession);
    return async (id) => {
      const { error } = await endSession({ id });
      if (error !== undefined) throw error;
    };
  },
};

open(urql);
