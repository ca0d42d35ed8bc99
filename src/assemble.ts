/** Puts the rooms together: the one file that knows them all. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { Options } from "./config/config.ts";
import type { Services } from "./graphql/context.ts";
import { createEngine } from "./graphql/engine.ts";
import { Events } from "./graphql/events.ts";
import type { createSchema } from "./graphql/schema.ts";
import { yogaLogger } from "./graphql/logger.ts";
import { lifetimesOf, type OpenParts } from "./parts.ts";
import type { Audit } from "./session/audit.ts";
import type { OnFault } from "./session/fault.ts";
import { Deadlines } from "./session/deadlines.ts";
import { Sessions } from "./session/sessions.ts";
import { watchSessions } from "./session/watch.ts";
import { Connections } from "./transport/connections.ts";
import { HttpServer } from "./transport/http.ts";
import { originPolicy } from "./transport/origins.ts";
import { Places } from "./transport/places.ts";
import { Recheck } from "./transport/recheck.ts";
import { refusalFact, type NoteRefusal } from "./transport/refusals.ts";
import { SocketServer } from "./transport/socket.ts";
import { Turns } from "./transport/turns.ts";
import { Accounts } from "./users/accounts.ts";
import { Administration } from "./users/administration.ts";
import { Passwords } from "./users/passwords.ts";

/** What runs. */
export interface Assembled extends AsyncDisposable {
  /** Where GraphQL is served, over HTTP. */
  readonly url: string;
  readonly sessions: Sessions;
  /** For operators: locks and deletes users, and ends their sessions. */
  readonly admin: Administration;
  /** The app's topics, for messages that come from outside of its resolvers. */
  readonly events: Events;
  /** The sockets and streams of this node. */
  readonly connections: Connections;
  /** Ends all connections, and closes everything that was opened. */
  close(): Promise<void>;
}

/** Milliseconds each; the parts that they are passed to say what for. */
const initTimeout = 10_000;
const admissionTimeout = 5_000;
const keepAlive = 12_000;
/** Yoga sends a comment on each stream every 12 seconds. */
const stallTimeout = 30_000;
/** Sockets on this node that nobody has signed in on yet: in all, and of one address. */
const maxStrangers = 1_000;
const maxStrangersPerAddress = 100;
/** Admissions to sessions: as many wait as a store that takes a second each lets in within the time. */
const admissions = { atOnce: 100, waiting: 400 };

export interface Ingredients {
  readonly options: Options;
  readonly parts: OpenParts;
  readonly schema: ReturnType<typeof createSchema>;
  readonly logger: Logger;
  readonly onFault: OnFault;
  readonly audit: Audit;
  readonly clock: () => number;
  readonly uptime: () => number;
}

export async function assemble(ingredients: Ingredients): Promise<Assembled> {
  const { options, parts, schema, logger, onFault, audit, clock, uptime } = ingredients;
  const { store, topics, users, ring, throttle } = parts;
  const { argon2Memory: memory, argon2Passes: passes, argon2Parallelism: parallelism } = options;
  const accounts = new Accounts(users, new Passwords({ cost: { memory, passes, parallelism } }));
  const deadlines = new Deadlines(clock(), onFault);
  const sessions = new Sessions({
    store,
    topics,
    ring,
    lifetimes: lifetimesOf(options),
    ...(options.maxSessionsPerUser > 0 && { maxPerUser: options.maxSessionsPerUser }),
    isGone: (userId) => accounts.isGone(userId),
    clock,
    randomBytes,
    onFault,
    audit,
  });
  const connections = new Connections({
    sessions,
    topics,
    deadlines,
    clock,
    uptime,
    maxPerSession: options.maxSocketsPerSession,
    onFault,
  });
  const recheck = new Recheck({
    connections,
    deadlines,
    clock,
    uptime,
    interval: options.recheckInterval,
    outageGrace: options.outageGrace,
    onFault,
    look: () => parts.look(),
  });
  topics.onGap(() => recheck.now());

  const events = new Events(topics);
  const list = (userId: string) => sessions.list(userId);
  let closing = false;
  const services: Services = {
    sessions,
    accounts,
    throttle,
    users,
    events,
    audit,
    clock,
    watch: (userId) => watchSessions(userId, { topics, deadlines, clock, list, onFault }),
  };
  const allowsOrigin = originPolicy(options.allowedOrigins);
  const noteRefusal: NoteRefusal = (refusal) => audit(refusalFact(refusal));
  const engine = createEngine({
    schema,
    services,
    logger: yogaLogger(logger),
    onFault,
    isReady: async () => !closing && (await store.ping(), true),
    maxBodySize: options.maxMessageSize,
    allowsOrigin,
    graphiql: options.graphiql,
    introspection: options.introspection,
    limits: {
      tokens: options.maxQueryTokens,
      depth: options.maxQueryDepth,
      aliases: options.maxQueryAliases,
      directives: options.maxQueryDirectives,
      cost: options.maxQueryCost,
    },
  });
  const perAddress = options.maxSocketsPerAddress || Infinity;
  const shared = {
    sessions,
    connections,
    turns: new Turns(admissions),
    admissionTimeout,
    places: new Places({ each: perAddress }),
    allowsOrigin,
    noteRefusal,
    trustedProxies: options.trustProxy,
    onFault,
  };
  const sockets = new SocketServer({
    ...shared,
    engine,
    maxMessageSize: options.maxMessageSize,
    maxOperations: options.maxOperationsPerSocket,
    initTimeout,
    keepAlive,
    strangers: new Places({
      each: perAddress === Infinity ? Infinity : maxStrangersPerAddress,
      all: maxStrangers,
    }),
  });
  const http = new HttpServer({
    ...shared,
    engine,
    sockets,
    stallTimeout,
    maxBodySize: options.maxMessageSize,
    graphiql: options.graphiql,
  });

  const close = async () => {
    closing = true;
    await http.close(options.drainTime);
    recheck.close();
    connections.close();
    await parts.close();
  };
  try {
    const port = await http.listen(options.port, options.host);
    const url = urlOf(options.host, port);
    const admin = new Administration({ users, sessions, audit });
    return { url, sessions, admin, events, connections, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function urlOf(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}/graphql`;
}
