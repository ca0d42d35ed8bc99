/** Creates Curfew's own server: sessions, GraphQL, HTTP and WebSocket. */
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
   * Plugins for Yoga or Envelop. All operations go through them, including those on sockets, whose context has no
   * `request`. Plugins find the session in the context, and cannot keep an operation alive beyond its session.
   * Plain requests become slower.
   */
  readonly plugins?: AppPlugins;
  /**
   * Handles all paths except `/graphql`, `/health`, `/ready` and `/metrics`, for example with an app's pages, which
   * then have the same origin. It is responsible for their headers and their access control.
   *
   * @default 404
   */
  readonly fallback?: Fallback;
}

/** A running server. */
export interface Curfew extends AsyncDisposable {
  /** The URL of the GraphQL endpoint. */
  readonly url: string;
  readonly sessions: Sessions;
  /** Locks and deletes users, and ends their sessions, as `curfew admin` does. */
  readonly admin: Administration;
  /** The app's topics, to publish and subscribe outside of resolvers. */
  readonly events: Events;
  /** The sockets and streams of this node. */
  readonly connections: Connections;
  /** The registry behind `/metrics`. An app may register metrics of its own. */
  readonly metrics: Registry;
  /** The report that the start wrote to the log. */
  readonly startup: StartupReport;
  /** Closes all connections, within `drainTime`, and everything else that was opened. */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws {ConfigError} if options are wrong.
 * @throws {Error} if the port is in use, or a store or database cannot be opened.
 */
export async function createCurfew(given: CurfewOptions = {}): Promise<Curfew> {
  const { typeDefs = [], resolvers = [], plugins = [], fallback, ...others } = given;
  const schema = createSchema({ typeDefs, resolvers });
  const node = await createNode(others);
  try {
    return await startServer(node, { schema, plugins, fallback });
  } catch (error) {
    await node.close();
    throw error;
  }
}

interface AppParts {
  readonly schema: ReturnType<typeof createSchema>;
  readonly plugins: AppPlugins;
  readonly fallback: Fallback | undefined;
}

async function startServer(
  node: CurfewNode,
  { schema, plugins, fallback }: AppParts,
): Promise<Curfew> {
  const { options, startup, logger, services, admin, metrics } = node;
  const { sessions, connections, reportError } = node.shared;
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
  const shared = { ...node.shared, allowsOrigin };
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
    readiness: readinessOf(node.checks, nodeLimits.readinessTimeout, () => closing),
    metrics: {
      contentType: metrics.contentType,
      read: () => metrics.read(),
      readers: readersOf(options.metricsToken),
    },
  });

  const close = async () => {
    closing = true;
    await http.close(options.drainTime);
    await node.close();
  };
  try {
    const port = await http.listen(options.port, options.host);
    const url = endpointUrl(options.host, port);
    const { warnings: _logged, ...facts } = startup;
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

function endpointUrl(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}/graphql`;
}
