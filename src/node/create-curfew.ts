/** Puts the server together: sessions, GraphQL and the transports. */
import type { Registry } from "prom-client";
import { isProduction } from "../config/load.ts";
import { createNode, type CurfewNode, type NodeOptions } from "./node.ts";
import { createExplorer } from "../explorer/explorer.ts";
import { createEngine, type AppPlugins } from "../graphql/execution/engine.ts";
import type { Events } from "../graphql/events.ts";
import { createSchema, type AppSchema } from "../graphql/schema.ts";
import { yogaLogger } from "../graphql/yoga-logger.ts";
import { nodeLimits } from "./limits.ts";
import type { StartupReport } from "./startup-report.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Connections } from "../connections/connections.ts";
import { HttpServer, type Fallback } from "../http/server.ts";
import { originPolicy } from "../request/origin-check.ts";
import { ConnectionLimiter } from "../connections/connection-limiter.ts";
import type { MetricsPage } from "../http/monitoring-endpoints.ts";
import { readinessOf } from "../http/health.ts";
import { SocketServer } from "../websocket/server.ts";
import type { Administration } from "../users/administration.ts";

export interface CurfewOptions extends NodeOptions, AppSchema {
  /**
   * Yoga's and Envelop's: all operations go through them, on sockets too, where there is no `request` in
   * the context. They see the session in it, and no plugin keeps an operation beyond its session.
   * Plain requests take some more time then.
   */
  readonly plugins?: AppPlugins;
  /**
   * Answers at all paths but `/graphql`, `/health`, `/ready` and `/metrics`: with an app's pages, say, which
   * then have the same origin. Their headers, and who may ask for them, are its to see to.
   *
   * @default 404
   */
  readonly fallback?: Fallback;
}

/** A running server. */
export interface Curfew extends AsyncDisposable {
  /** Where GraphQL is served, over HTTP. */
  readonly url: string;
  readonly sessions: Sessions;
  /** For operators: locks and deletes users, and ends their sessions. */
  readonly admin: Administration;
  /** The app's topics, for messages that come from outside of its resolvers. */
  readonly events: Events;
  /** The sockets and streams of this node. */
  readonly connections: Connections;
  /** What `/metrics` shows of Curfew; an app may add metrics of its own. */
  readonly metrics: Registry;
  /** What it said of itself in the log when it started. */
  readonly startup: StartupReport;
  /** Ends all connections, and closes everything that was opened. */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws {ConfigError} when options are wrong.
 * @throws {Error} when the port is taken, or when what the options name cannot be opened.
 */
export async function createCurfew(given: CurfewOptions = {}): Promise<Curfew> {
  const { typeDefs = [], resolvers = [], plugins = [], fallback, ...others } = given;
  const schema = createSchema({ typeDefs, resolvers });
  const core = await createNode(others);
  try {
    return await serve(core, { schema, plugins, fallback });
  } catch (error) {
    await core.close();
    throw error;
  }
}

interface Served {
  readonly schema: ReturnType<typeof createSchema>;
  readonly plugins: AppPlugins;
  readonly fallback: Fallback | undefined;
}

async function serve(core: CurfewNode, { schema, plugins, fallback }: Served): Promise<Curfew> {
  const { options, startup, logger, services, admin, metrics } = core;
  const { sessions, connections, reportError } = core.shared;
  const allowsOrigin = originPolicy(options.allowedOrigins);
  let closing = false;
  const engine = createEngine({
    schema,
    services,
    logger: yogaLogger(logger),
    reportError,
    maxMessageSize: options.maxMessageSize,
    allowsOrigin,
    introspection: options.introspection,
    limits: options,
    plugins,
  });
  const shared = { ...core.shared, allowsOrigin };
  const sockets = new SocketServer({
    ...shared,
    pipeline: engine.pipeline,
    maxMessageSize: options.maxMessageSize,
    keepAlive: nodeLimits.keepAliveInterval,
    strangers: new ConnectionLimiter({
      each: options.maxSocketsPerAddress
        ? nodeLimits.maxUnauthenticatedSocketsPerAddress
        : Infinity,
      all: nodeLimits.maxUnauthenticatedSockets,
      displaces: true,
    }),
  });
  const http = new HttpServer({
    ...shared,
    engine,
    sockets,
    maxMessageSize: options.maxMessageSize,
    explorer: options.graphiql ? createExplorer() : undefined,
    fallback,
    readiness: readinessOf(core.checks, nodeLimits.readinessTimeout, () => closing),
    metrics: {
      contentType: metrics.contentType,
      read: () => metrics.read(),
      readers: readersOf(options.metricsToken),
    },
  });

  const close = async () => {
    closing = true;
    await http.close(options.drainTime);
    await core.close();
  };
  try {
    const port = await http.listen(options.port, options.host);
    const url = urlOf(options.host, port);
    const { warnings: _said, ...facts } = startup;
    logger.info({ url, ...facts }, "started");
    const { events } = services;
    const parts = { sessions, admin, events, connections, metrics: metrics.registry };
    return { url, ...parts, startup, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function readersOf(token: string | undefined): MetricsPage["readers"] {
  if (token !== undefined) return { token };
  return isProduction() ? "none" : "all";
}

function urlOf(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}/graphql`;
}
