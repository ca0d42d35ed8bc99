/** Opens what the settings choose: where sessions and users are kept, how nodes talk, which keys sign. */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Options } from "./config/config.ts";
import { ownSecret } from "./config/own-secret.ts";
import { KeyRing } from "./session/keys.ts";
import type { SessionStore } from "./session/store.ts";
import type { Topics } from "./session/topics.ts";
import { MemoryTopics } from "./stores/memory/topics.ts";
import { closeClient, commandClient, subscriberClient } from "./stores/redis/client.ts";
import { RedisSessions } from "./stores/redis/sessions.ts";
import { RedisTopics } from "./stores/redis/topics.ts";
import { openDatabase } from "./stores/sqlite/database.ts";
import { SqliteSessions } from "./stores/sqlite/sessions.ts";
import type { UserDirectory } from "./users/directory.ts";
import { SqliteUsers } from "./users/sqlite.ts";

/** The ports, filled. An app may bring its own: see `createCurfew`. */
export interface Parts {
  readonly store: SessionStore;
  readonly topics: Topics;
  readonly users: UserDirectory;
}

export interface OpenParts extends Parts {
  readonly ring: KeyRing;
  close(): Promise<void>;
}

/**
 * @throws Error naming what could not be opened; then nothing is left open.
 */
export async function openParts(
  options: Options,
  own: Partial<Parts>,
  onFault: (what: string, error: unknown) => void,
): Promise<OpenParts> {
  await using opened = new AsyncDisposableStack();
  const ring = new KeyRing(options.secrets ?? [await ownSecret(options.dataDir)]);

  let database: DatabaseSync | undefined;
  const openedDatabase = () =>
    (database ??= opened.adopt(openDatabase(databaseFile(options)), (open) => open.close()));
  const users = opened.adopt(own.users ?? new SqliteUsers(openedDatabase()), (part) =>
    part.close(),
  );

  const onListenerFault = (error: unknown) => onFault("a listener of a topic failed", error);
  const { redisUrl } = options;
  const commands =
    redisUrl === undefined || (own.store && own.topics)
      ? undefined
      : opened.adopt(await commandClient(redisUrl), closeClient);
  const store = opened.adopt(
    own.store ?? (commands ? new RedisSessions(commands) : new SqliteSessions(openedDatabase())),
    (part) => part.close(),
  );
  const topics = opened.adopt(
    own.topics ??
      (commands && redisUrl !== undefined
        ? new RedisTopics({
            publisher: commands,
            subscriber: await subscriberClient(redisUrl),
            onError: onListenerFault,
          })
        : new MemoryTopics(onListenerFault)),
    (part) => part.close(),
  );

  const kept = opened.move();
  return { ring, users, store, topics, close: () => kept.disposeAsync() };
}

function databaseFile({ dataDir }: Options): string {
  return dataDir === ":memory:" ? dataDir : join(dataDir, "curfew.db");
}
