/** What the page asks the server, and what Apollo Client and urql both give it. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import type { ReactNode } from "react";
import type { Message as Kept, Person, Room } from "../schema.ts";

export type { Person, Room };

/** As the server sends it. */
export interface Message extends Omit<Kept, "saidAt"> {
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

/** Hooks, and what they need around them: made anew for each session, so that nobody sees another's data. */
export interface Data {
  readonly name: string;
  readonly Provider: (props: { readonly children: ReactNode }) => ReactNode;
  readonly useMessages: (room: Room) => {
    readonly messages: readonly Message[];
    readonly error: Error | undefined;
  };
  readonly usePresent: (room: Room) => readonly Person[];
  readonly useDevices: () => readonly Device[];
  /** Resolves to what is wrong with it. */
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

/** A message may come twice: in the answer and by the subscription, or again after a lost connection. */
export function added(messages: readonly Message[], message: Message): readonly Message[] {
  return messages.some(({ id }) => id === message.id) ? messages : [...messages, message];
}
