/** Opens the backends that the settings choose: session store, pub/sub, user directory, signing keys, throttle. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Options } from "../config/load.ts";
import { exposedData } from "../config/exposed-files.ts";
import { readGeneratedSecret, readOrGenerateSecret } from "../config/generated-secret.ts";
import { nodeLimits } from "./limits.ts";
import { channelOfDeployment, redisAddress, redisSessions, startProbe } from "./redis-backends.ts";
import type { ReportError } from "../lib/report-error.ts";
import { KeyRing } from "../session/keys.ts";
import type { Lifetimes } from "../session/session.ts";
import type { SessionStore } from "../session/store.ts";
import type { PubSub } from "../session/pubsub.ts";
import { MemoryPubSub } from "../stores/memory/pubsub.ts";
import { closeClient, commandClient, subscriberClient } from "../stores/redis/client.ts";
import { durabilityWarnings } from "../stores/redis/durability.ts";
import { RedisPubSub } from "../stores/redis/pubsub.ts";
import { foreignWrites, openDatabase } from "../stores/sqlite/database.ts";
import { SqliteSessions } from "../stores/sqlite/sessions.ts";
import type { UserDirectory } from "../users/directory.ts";
import { PostgresUsers } from "../users/postgres.ts";
import { SqliteUsers } from "../users/sqlite.ts";
import type { BackendReports } from "../telemetry/backend-reports.ts";
import { LimiterFallback } from "../users/shared-limiter.ts";
import { Throttling, type Throttle } from "../users/throttling.ts";

/** The implementations of the ports. An app may provide its own: see `createCurfew`. */
export interface Backends {
  readonly store: SessionStore;
  readonly pubsub: PubSub;
  readonly users: UserDirectory;
}

export interface OpenBackends extends Backends {
  readonly ring: KeyRing;
  readonly throttle: Throttle;
  /** Sentences for the operator, about durability and file permissions. */
  readonly warnings: readonly string[];
  /**
   * One readiness check for each backend that the node needs. Their names are `redis`, `subscriber` and `database`;
   * backends of the app are `store`, `topics` and `users`.
   */
  readonly checks: readonly { readonly name: string; readonly ping: () => Promise<void> }[];
  /** Polls the SQLite database for changes by other processes. Cheap enough to call several times a second. */
  look(): void;
  close(): Promise<void>;
}

/**
 * Opens all backends of a server, except those that the app provides.
 *
 * @throws {Error} naming the backend that cannot be opened; then everything that was opened is closed.
 */
export async function openBackends(
  options: Options,
  appBackends: Partial<Backends>,
  reportError: ReportError,
  reports: BackendReports,
): Promise<OpenBackends> {
  await using opened = new AsyncDisposableStack();
  const track = <Backend extends { close(): void | Promise<void> }>(backend: Backend): Backend =>
    opened.adopt(backend, (it) => it.close());
  const onError = (error: unknown) => reportError("a listener of a topic failed", error);

  const ring = new KeyRing(options.secrets ?? [await readOrGenerateSecret(options.dataDir)]);
  let database: DatabaseSync | undefined;
  const localDatabase = () =>
    (database ??= track(openDatabase(databaseFile(options), nodeLimits.sqlite.busyTimeout)));
  const { databaseUrl } = options;
  const users = track(
    appBackends.users ??
      (databaseUrl === undefined
        ? new SqliteUsers(localDatabase())
        : await PostgresUsers.open(databaseUrl, nodeLimits.postgres)),
  );
  const redis = redisAddress(options);
  if (redis === undefined) {
    const store = track(appBackends.store ?? new SqliteSessions(localDatabase(), options));
    const memory = new MemoryPubSub(onError);
    const pubsub = track(appBackends.pubsub ?? memory);
    const throttle = new Throttling(options);
    const look = changePoll(database, () => memory.reportMissedMessages(), reportError);
    const close = closing(opened.move());
    const checks = checksOf({ store, pubsub, users }, appBackends, "database");
    const warnings = exposedData(options.dataDir, options.secrets === undefined);
    return { ring, users, store, pubsub, throttle, warnings, checks, look, close };
  }
  const publisher = opened.adopt(await commandClient(redis, nodeLimits.redis), closeClient);
  const channelOf = channelOfDeployment(redis, options);
  const subscriber =
    appBackends.pubsub === undefined
      ? opened.adopt(await subscriberClient(redis, nodeLimits.redis, publisher), closeClient)
      : undefined;
  const redisPubSub = subscriber && new RedisPubSub({ publisher, subscriber, channelOf, onError });
  const probe = opened.adopt(
    await startProbe(redis, {
      commands: publisher,
      ...(subscriber && { subscriber }),
      channelOf,
      observer: reports,
      onMasterLost: () => redisPubSub?.reportPublishedLost(),
      onCommandsReturned: () => redisPubSub?.reportMissedMessages(),
      onError: (error) => reportError("a listener of the links to Redis failed", error),
    }),
    (it) => it.close(),
  );
  // The scripts can publish only to a pub/sub on the same Redis.
  const channels = redisPubSub && channelOf;
  const store = track(
    appBackends.store ??
      (await redisSessions(redis, publisher, options, {
        channelOf: channels,
        replacements: probe,
      })),
  );
  const pubsub = track(appBackends.pubsub ?? redisPubSub ?? new MemoryPubSub(onError));
  const throttle = new Throttling(options, publisher, new LimiterFallback(reports));
  const warnings = [
    ...(await durabilityWarnings(publisher)),
    ...exposedData(options.dataDir, options.secrets === undefined),
  ];
  const pings = {
    ...(appBackends.store === undefined && { redis: () => probe.pingCommands() }),
    ...(subscriber && { subscriber: () => probe.pingSubscriber() }),
  };
  const checks = checksOf({ store, pubsub, users }, appBackends, "redis", pings);
  const look = () => {};
  const close = closing(opened.move());
  return { ring, users, store, pubsub, throttle, warnings, checks, look, close };
}

/**
 * @param storeName the check of the session store that the settings choose
 * @param pings checks that replace those of the backends
 */
function checksOf(
  { store, pubsub, users }: Backends,
  appBackends: Partial<Backends>,
  storeName: "redis" | "database",
  pings: Readonly<Record<string, () => Promise<void>>> = {},
): OpenBackends["checks"] {
  const named = [
    [appBackends.store ? "store" : storeName, store],
    [appBackends.pubsub ? "topics" : "subscriber", pubsub],
    [appBackends.users ? "users" : "database", users],
  ] as const;
  return named.flatMap(([name, backend]) =>
    backend.ping === undefined
      ? []
      : [{ name, ping: pings[name] ?? (async () => backend.ping?.()) }],
  );
}

/** On one machine without Redis, `curfew admin` can notify the server through the database file only. */
function changePoll(
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
      // The recheck finds the same changes, only later.
      reportError("the database could not be polled for changes", error);
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

/** Returns the keys of a server that was started before with these settings, or `undefined` if there are none. */
export async function existingRing({ secrets, dataDir }: Options): Promise<KeyRing | undefined> {
  const generated = secrets === undefined ? await readGeneratedSecret(dataDir) : undefined;
  const all = secrets ?? (generated === undefined ? undefined : [generated]);
  return all && new KeyRing(all);
}

/** The backends of a server that was started before. */
export interface ExistingBackends {
  readonly store: SessionStore;
  /** Undefined if the users are on another machine. */
  readonly users: UserDirectory | undefined;
  /** Opens the pub/sub that reaches the server's nodes. Without Redis, the server polls its database instead. */
  pubsub(reportError: ReportError): Promise<PubSub>;
  close(): Promise<void>;
}

/**
 * Opens the backends of a server that was started before, for commands. Creates nothing. Returns `undefined` if there
 * is no data.
 *
 * @throws {Error} naming the backend that cannot be opened; then everything that was opened is closed.
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
  const channelOf = redis === undefined ? undefined : channelOfDeployment(redis, options);
  const store =
    redis && publisher
      ? opened.adopt(await redisSessions(redis, publisher, options, { channelOf }), (it) =>
          it.close(),
        )
      : database && new SqliteSessions(database, options);
  if (store === undefined) return undefined;
  const owned = opened.move();
  const pubsub = async (reportError: ReportError) => {
    const onError = (error: unknown) => reportError("a message could not be handled", error);
    const bus =
      redis && publisher
        ? new RedisPubSub({
            publisher,
            subscriber: await subscriberClient(redis, nodeLimits.redis, publisher),
            ...(channelOf && { channelOf }),
            onError,
          })
        : new MemoryPubSub(onError);
    return owned.adopt(bus, (it) => it.close());
  };
  return { store, users, pubsub, close: closing(owned) };
}

function closing(opened: AsyncDisposableStack): () => Promise<void> {
  return () => opened.disposeAsync();
}

function databaseFile({ dataDir }: Options): string {
  return dataDir === ":memory:" ? dataDir : join(dataDir, "curfew.db");
}
