/** Opens what the settings choose: where sessions and users are kept, how nodes talk, which keys sign. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Options } from "../config/load.ts";
import { exposedData } from "../config/exposed-files.ts";
import { readGeneratedSecret, readOrGenerateSecret } from "../config/generated-secret.ts";
import { nodeLimits } from "./limits.ts";
import type { ReportError } from "../lib/report-error.ts";
import { KeyRing } from "../session/keys.ts";
import type { Lifetimes } from "../session/session.ts";
import type { SessionStore } from "../session/store.ts";
import type { PubSub } from "../session/pubsub.ts";
import { MemoryPubSub } from "../stores/memory/pubsub.ts";
import type { RedisAddress } from "../stores/redis/address.ts";
import { closeClient, commandClient, subscriberClient } from "../stores/redis/client.ts";
import { durabilityWarnings } from "../stores/redis/durability.ts";
import { RedisSessions } from "../stores/redis/sessions.ts";
import { RedisPubSub } from "../stores/redis/pubsub.ts";
import { foreignWrites, openDatabase } from "../stores/sqlite/database.ts";
import { SqliteSessions } from "../stores/sqlite/sessions.ts";
import type { UserDirectory } from "../users/directory.ts";
import { PostgresUsers } from "../users/postgres.ts";
import { SqliteUsers } from "../users/sqlite.ts";
import { Throttling, type Throttle } from "../users/throttling.ts";

/** The ports, filled. An app may bring its own: see `createCurfew`. */
export interface Backends {
  readonly store: SessionStore;
  readonly pubsub: PubSub;
  readonly users: UserDirectory;
}

export interface OpenBackends extends Backends {
  readonly ring: KeyRing;
  readonly throttle: Throttle;
  /** What an operator should know about them. */
  readonly warnings: readonly string[];
  /** What the node cannot serve without: `redis`, `subscriber` and `database`, or what the app brought. */
  readonly checks: readonly { readonly name: string; readonly ping: () => Promise<void> }[];
  /** Looks whether another process changed what this machine keeps; to be called often. */
  look(): void;
  close(): Promise<void>;
}

/**
 * @throws Error naming what could not be opened; then nothing is left open.
 */
export async function openBackends(
  options: Options,
  own: Partial<Backends>,
  reportError: ReportError,
): Promise<OpenBackends> {
  await using opened = new AsyncDisposableStack();
  const keep = <Part extends { close(): void | Promise<void> }>(part: Part): Part =>
    opened.adopt(part, (it) => it.close());
  const onError = (error: unknown) => reportError("a listener of a topic failed", error);

  const ring = new KeyRing(options.secrets ?? [await readOrGenerateSecret(options.dataDir)]);
  let database: DatabaseSync | undefined;
  const shared = () =>
    (database ??= keep(openDatabase(databaseFile(options), nodeLimits.sqlite.busyTimeout)));
  const { databaseUrl } = options;
  const users = keep(
    own.users ??
      (databaseUrl === undefined
        ? new SqliteUsers(shared())
        : await PostgresUsers.open(databaseUrl, nodeLimits.postgres)),
  );
  const redis = redisAddress(options);
  if (redis === undefined) {
    const store = keep(own.store ?? new SqliteSessions(shared()));
    const memory = new MemoryPubSub(onError);
    const pubsub = keep(own.pubsub ?? memory);
    const throttle = new Throttling(options);
    const look = watching(database, () => memory.reportMissedMessages(), reportError);
    const close = closing(opened.move());
    const checks = checksOf({ store, pubsub, users }, own, "database");
    const warnings = exposedData(options.dataDir, options.secrets === undefined);
    return { ring, users, store, pubsub, throttle, warnings, checks, look, close };
  }
  const publisher = opened.adopt(await commandClient(redis, nodeLimits.redis), closeClient);
  const store = keep(own.store ?? new RedisSessions(publisher));
  const pubsub = keep(
    own.pubsub ??
      new RedisPubSub({
        publisher,
        subscriber: await subscriberClient(redis, nodeLimits.redis, publisher),
        onError,
      }),
  );
  const throttle = new Throttling(options, publisher);
  const warnings = [
    ...(await durabilityWarnings(publisher)),
    ...exposedData(options.dataDir, options.secrets === undefined),
  ];
  const checks = checksOf({ store, pubsub, users }, own, "redis");
  const look = () => {};
  const close = closing(opened.move());
  return { ring, users, store, pubsub, throttle, warnings, checks, look, close };
}

/** @param storeName what the settings keep sessions in */
function checksOf(
  { store, pubsub, users }: Backends,
  own: Partial<Backends>,
  storeName: "redis" | "database",
): OpenBackends["checks"] {
  const named = [
    [own.store ? "store" : storeName, store],
    [own.pubsub ? "topics" : "subscriber", pubsub],
    [own.users ? "users" : "database", users],
  ] as const;
  return named.flatMap(([name, part]) =>
    part.ping === undefined ? [] : [{ name, ping: async () => part.ping?.() }],
  );
}

/** An operator's command has no way to tell a server of one machine what it did but the file itself. */
function watching(
  database: DatabaseSync | undefined,
  onChange: () => void,
  reportError: ReportError,
): () => void {
  if (database === undefined) return () => {};
  const changed = foreignWrites(database);
  return () => {
    try {
      if (changed()) onChange();
    } catch (error) {
      // The recheck finds out what this would have.
      reportError("the database could not be looked at", error);
    }
  };
}

export function lifetimesOf(options: Options): Lifetimes {
  return {
    access: options.accessTokenTtl,
    renewal: options.renewalTokenTtl,
    absolute: options.sessionMaxAge,
    grace: options.renewalGrace,
  };
}

/** The Redis that the settings name, if they do. */
function redisAddress(options: Options): RedisAddress | undefined {
  const { redisUrl, redisClusterNodes: nodes, redisSentinels, redisSentinelName } = options;
  if (nodes !== undefined) return { nodes };
  if (redisSentinels === undefined || redisSentinelName === undefined) return redisUrl;
  return { sentinels: redisSentinels, name: redisSentinelName };
}

/** The keys of a server that was started before with these settings, if there are any. */
export async function existingRing({ secrets, dataDir }: Options): Promise<KeyRing | undefined> {
  const kept = secrets === undefined ? await readGeneratedSecret(dataDir) : undefined;
  const all = secrets ?? (kept === undefined ? undefined : [kept]);
  return all && new KeyRing(all);
}

/** What such a server keeps. */
export interface ExistingBackends {
  readonly store: SessionStore;
  /** Absent where they are kept on another machine. */
  readonly users: UserDirectory | undefined;
  /** The way to its nodes, opened when it is asked for; servers of one machine look at their file. */
  pubsub(reportError: ReportError): Promise<PubSub>;
  close(): Promise<void>;
}

/**
 * For a look at what there is: nothing is made. Undefined when there is nothing to look at.
 *
 * @throws Error naming what could not be opened; then nothing is left open.
 */
export async function openExistingBackends(
  options: Options,
): Promise<ExistingBackends | undefined> {
  await using opened = new AsyncDisposableStack();
  const file = databaseFile(options);
  const database = existsSync(file)
    ? opened.adopt(openDatabase(file, nodeLimits.sqlite.busyTimeout), (it) => it.close())
    : undefined;
  const { databaseUrl } = options;
  const users =
    databaseUrl === undefined
      ? database && new SqliteUsers(database)
      : opened.adopt(new PostgresUsers(databaseUrl, nodeLimits.postgres), (it) => it.close());
  const redis = redisAddress(options);
  const publisher =
    redis && opened.adopt(await commandClient(redis, nodeLimits.redis), closeClient);
  const store = publisher ? new RedisSessions(publisher) : database && new SqliteSessions(database);
  if (store === undefined) return undefined;
  const kept = opened.move();
  const pubsub = async (reportError: ReportError) => {
    const onError = (error: unknown) => reportError("a message could not be handled", error);
    const part =
      redis && publisher
        ? new RedisPubSub({
            publisher,
            subscriber: await subscriberClient(redis, nodeLimits.redis, publisher),
            onError,
          })
        : new MemoryPubSub(onError);
    return kept.adopt(part, (it) => it.close());
  };
  return { store, users, pubsub, close: closing(kept) };
}

function closing(opened: AsyncDisposableStack): () => Promise<void> {
  return () => opened.disposeAsync();
}

function databaseFile({ dataDir }: Options): string {
  return dataDir === ":memory:" ? dataDir : join(dataDir, "curfew.db");
}
