/** The chat server: Curfew with the chat's schema and its built page. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createCurfew, loadOptions, requireSession, type CurfewContext } from "curfew";
import sirv from "sirv";
import { openHistory } from "./history.ts";
import { Presence } from "./presence.ts";
import { rooms, typeDefs, type InRoom, type Message, type Person, type Room } from "./schema.ts";

const options = loadOptions(process.env);
const history = openHistory(options.dataDir);
const presence = new Presence();

const resolvers = {
  Query: {
    messages: (_: unknown, { room }: InRoom) => history.recent(room),
  },
  Mutation: {
    async say(_: unknown, { room, text }: InRoom & { text: string }, context: CurfewContext) {
      const message: Message = {
        id: randomUUID(),
        room,
        author: await personOf(context),
        text: text.trim(),
        saidAt: Date.now(),
      };
      const fault = faultOf(message.text);
      // A problem that the user can correct is a result, not an error.
      if (fault !== undefined)
        return {
          __typename: "InvalidInput",
          message: fault,
          fields: [{ field: "text", message: fault }],
        };
      history.add(message);
      await context.events.publish(topicOf(room), message);
      return { __typename: "Message", ...message };
    },
  },
  Subscription: {
    messageSaid: {
      async subscribe(
        _: unknown,
        { room, after }: InRoom & { after?: string },
        { events }: CurfewContext,
      ) {
        // In this order, a message sent meanwhile arrives twice rather than never.
        const stream = await events.subscribe<Message>(topicOf(room));
        for (const message of history.since(room, after)) stream.push(message);
        return stream;
      },
      resolve: (message: Message) => message,
    },
    present: {
      subscribe: async (_: unknown, { room }: InRoom, context: CurfewContext) =>
        presence.enter(room, await personOf(context)),
      resolve: (people: readonly Person[]) => people,
    },
  },
};

function topicOf(room: Room): string {
  return `said:${room}`;
}

function faultOf(text: string): string | undefined {
  if (text === "") return "Say something.";
  return text.length > 2_000 ? "That is too long: 2,000 characters at most." : undefined;
}

async function personOf(context: CurfewContext): Promise<Person> {
  const { userId } = requireSession(context);
  const user = await context.users.byId(userId);
  return { id: userId, name: user?.email.split("@")[0] ?? "unknown" };
}

const headers = {
  "content-security-policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};
const page = sirv(join(import.meta.dirname, "dist"), {
  etag: true,
  setHeaders: (response) => void response.setHeaders(new Headers(headers)),
});

const curfew = await createCurfew({ ...options, typeDefs, resolvers, fallback: page });
await presence.open(curfew.events);
for (const room of rooms) await history.follow(curfew.events, topicOf(room));

console.error(`The chat is at ${new URL("/", curfew.url).href}`);
for (const signal of ["SIGTERM", "SIGINT"])
  process.once(signal, () => {
    presence.close();
    void curfew.close();
  });
