/** The message history. Each node stores the messages that it receives in its own file. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Events } from "curfew";
import type { Message } from "./schema.ts";

const schema = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, room TEXT NOT NULL, message TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_by_room ON messages (room);
`;

/** @param folder a path, or `:memory:` */
export function openHistory(folder: string) {
  if (folder !== ":memory:") mkdirSync(folder, { recursive: true });
  const path = folder === ":memory:" ? folder : join(folder, "chat.sqlite");
  // Nodes on one machine may share the file.
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec(schema);
  const insert = database.prepare("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)");
  const select = database.prepare(
    "SELECT message FROM messages WHERE room = ? ORDER BY rowid DESC LIMIT 100",
  );

  function add(message: Message): void {
    insert.run(message.id, message.room, JSON.stringify(message));
  }

  function recent(room: string): Message[] {
    const rows = select.all(room) as { readonly message: string }[];
    return rows.toReversed().map(({ message }) => JSON.parse(message) as Message);
  }

  return {
    add,
    recent,
    /** Returns the messages after that one. If it is not among the last hundred, returns the last hundred. */
    since(room: string, id: string | undefined): Message[] {
      const messages = recent(room);
      return messages.slice(messages.findIndex((message) => message.id === id) + 1);
    },
    /** Stores messages of all nodes from now on. */
    async follow(events: Events, topic: string): Promise<void> {
      const stream = await events.subscribe<Message>(topic);
      const store = async () => {
        for await (const message of stream) {
          try {
            add(message);
          } catch (error) {
            // If the disk is full, subscribers still receive the message.
            console.error("A message was not stored:", error);
          }
        }
      };
      store().catch((error: unknown) => console.error(`Storing of ${topic} has stopped:`, error));
    },
  };
}
