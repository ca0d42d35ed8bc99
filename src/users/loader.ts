/** Reads users by id, in one batch per turn of the event loop and without a cache. */
import DataLoader from "dataloader";
import type { User } from "./directory.ts";

/** @param read resolves to the existing users, in any order */
export function userLoader(
  read: (ids: readonly string[]) => Promise<readonly User[]>,
): (id: string) => Promise<User | undefined> {
  const loader = new DataLoader<string, User | undefined>(
    async (ids) => {
      const users = new Map((await read(ids)).map((user) => [user.id, user]));
      return ids.map((id) => users.get(id));
    },
    // No cache: the next read must see that a user is locked or deleted.
    { cache: false, batchScheduleFn: setImmediate },
  );
  return (id) => loader.load(id);
}
