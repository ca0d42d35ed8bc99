/** Reads users by their ids: those that are asked for in one turn of the event loop at once, and each anew. */
import DataLoader from "dataloader";
import type { User } from "./directory.ts";

/** @param read resolves to those of the users that there are, in any order */
export function userLoader(
  read: (ids: readonly string[]) => Promise<readonly User[]>,
): (id: string) => Promise<User | undefined> {
  const loader = new DataLoader<string, User | undefined>(
    async (ids) => {
      const users = new Map((await read(ids)).map((user) => [user.id, user]));
      return ids.map((id) => users.get(id));
    },
    // A user who is locked or gone is so for the next who asks.
    { cache: false, batchScheduleFn: setImmediate },
  );
  return (id) => loader.load(id);
}
