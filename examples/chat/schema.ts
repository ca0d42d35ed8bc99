/** The chat's additions to Curfew's schema, and their types. */

export const typeDefs = /* GraphQL */ `
  enum Room {
    LOBBY
    KITCHEN
    GARDEN
  }
  type Person {
    id: ID!
    name: String!
  }
  type Message {
    id: ID!
    room: Room!
    author: Person!
    text: String!
    saidAt: DateTime!
  }
  union SayResult = Message | InvalidInput

  extend type Query {
    "The last hundred messages, oldest first."
    messages(room: Room!): [Message!]! @authenticated
  }
  extend type Mutation {
    say(room: Room!, text: String!): SayResult! @authenticated
  }
  extend type Subscription {
    "Yields the messages after that one, then new messages. A client that reconnects misses nothing."
    messageSaid(room: Room!, after: ID): Message! @authenticated
    "The people in the room: all subscribers of this field. Yields now, and at each change."
    present(room: Room!): [Person!]! @authenticated
  }
`;

export const rooms = ["LOBBY", "KITCHEN", "GARDEN"] as const;
export type Room = (typeof rooms)[number];

export interface Person {
  readonly id: string;
  readonly name: string;
}

export interface Message {
  readonly id: string;
  readonly room: Room;
  readonly author: Person;
  readonly text: string;
  /** Epoch milliseconds. */
  readonly saidAt: number;
}

export interface InRoom {
  readonly room: Room;
}
