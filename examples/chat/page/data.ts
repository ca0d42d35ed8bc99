/** The page's GraphQL documents, and the hooks that Apollo Client and urql implement. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import type { ReactNode } from "react";
import type { Message as StoredMessage, Person, Room } from "../schema.ts";

export type { Person, Room };

/** A message as the server sends it. */
export interface Message extends Omit<StoredMessage, "saidAt"> {
  readonly saidAt: string;
}

/** One login on one device. */
export interface Device {
  readonly id: string;
  readonly current: boolean;
  readonly userAgent: string | null;
}

type SayResult =
  | { readonly __typename: "Message" }
  | { readonly __typename: "InvalidInput"; readonly message: string };

/** Hooks and their provider. Each session has a new provider, so no user sees another user's data. */
export interface Data {
  readonly name: string;
  readonly Provider: (props: { readonly children: ReactNode }) => ReactNode;
  readonly useMessages: (room: Room) => {
    readonly messages: readonly Message[];
    readonly error: Error | undefined;
  };
  readonly usePresent: (room: Room) => readonly Person[];
  readonly useDevices: () => readonly Device[];
  /** Resolves with a problem of the text, if there is one. */
  readonly useSay: (room: Room) => (text: string) => Promise<string | undefined>;
  readonly useEndSession: () => (id: string) => Promise<void>;
}

const document = parse as <Result, Variables = Record<string, never>>(
  source: string,
) => TypedDocumentNode<Result, Variables>;

const messageFields = `__typename id room author { __typename id name } text saidAt`;

export const documents = {
  messages: document<{ messages: readonly Message[] }, { room: Room }>(
    `query Messages($room: Room!) { messages(room: $room) { ${messageFields} } }`,
  ),
  messageSaid: document<{ messageSaid: Message }, { room: Room; after: string | undefined }>(
    `subscription MessageSaid($room: Room!, $after: ID) {
      messageSaid(room: $room, after: $after) { ${messageFields} }
    }`,
  ),
  present: document<{ present: readonly Person[] }, { room: Room }>(
    `subscription Present($room: Room!) { present(room: $room) { __typename id name } }`,
  ),
  say: document<{ say: SayResult }, { room: Room; text: string }>(
    `mutation Say($room: Room!, $text: String!) {
      say(room: $room, text: $text) { __typename ... on InvalidInput { message } }
    }`,
  ),
  devices: document<{ viewer: { sessions: readonly Device[] } | null }>(
    `query Devices { viewer { __typename sessions { __typename id current userAgent } } }`,
  ),
  sessionEvents: document<{
    sessionEvents: { type: "STARTED" | "RENEWED" | "ENDED" | "REPLAYED" };
  }>(`subscription SessionEvents { sessionEvents { __typename type } }`),
  endSession: document<{ endSession: { endedSessions: number } }, { id: string }>(
    `mutation EndSession($id: ID!) { endSession(id: $id) { __typename endedSessions } }`,
  ),
} as const;

/** Adds a message once. It may arrive twice: by the query and the subscription, or again after a reconnect. */
export function added(messages: readonly Message[], message: Message): readonly Message[] {
  return messages.some(({ id }) => id === message.id) ? messages : [...messages, message];
}
