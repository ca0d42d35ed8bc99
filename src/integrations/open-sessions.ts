/** Curfew's sessions for an app that has its own Yoga and graphql-ws servers. */
import type { ServerOptions } from "graphql-ws";
import type { Plugin } from "graphql-yoga";
import type { Registry } from "prom-client";
import { createNode, type NodeOptions } from "../node/node.ts";
import { callerKey, createPlugin } from "./yoga-plugin.ts";
import { socketOptions, type SocketExtra } from "./graphql-ws-options.ts";
import type { CurfewContext } from "../graphql/context.ts";
import { pluginPipeline, type Enveloped } from "../graphql/execution/plugin-pipeline.ts";
import { nameError } from "../graphql/errors.ts";
import type { Events } from "../graphql/events.ts";
import { createExecute } from "../graphql/execution/execute.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Connections } from "../connections/connections.ts";
import { drained } from "../connections/drain.ts";
import type { Administration } from "../users/administration.ts";

/** The parts of one node. */
export interface OpenSessions extends AsyncDisposable {
  readonly sessions: Sessions;
  /** For operators: locks and deletes users, and ends their sessions. */
  readonly admin: Administration;
  /** The app's topics, shared by all nodes. */
  readonly events: Events;
  /** The sockets and streams of this node. */
  readonly connections: Connections;
  /** Metrics, for an endpoint of the app: `await curfew.metrics.metrics()`. */
  readonly metrics: Registry;
  /**
   * For `createYoga`: adds the `CurfewContext` to the context, and ends operations and event streams with their
   * session. Plugins after this one find the session in the context.
   */
  readonly plugin: Plugin<CurfewContext>;
  /**
   * For `useServer` of `graphql-ws/use/ws`: authenticates each socket by the token in its `connection_init`, and
   * closes it when that session ends. Operations go through all plugins of the Yoga server.
   *
   * @throws {Error} if the Yoga server does not have the plugin.
   */
  socketOptions(yoga: YogaLike): ServerOptions<Record<string, unknown>, SocketExtra>;
  /** Closes all connections within the `drainTime`, so that their clients reconnect, and then the store. */
  close(): Promise<void>;
}

/** A result of `createYoga`, with any context types. */
export interface YogaLike {
  readonly getEnveloped: (context?: object) => unknown;
}

/**
 * Opens the store, and ends connections on this node with their sessions. Uses the settings of the store, of tokens and
 * of connections. The app's own server decides where it listens, which origins it allows and which documents it
 * executes.
 *
 * @throws {ConfigError} if options are invalid.
 * @throws {Error} if the store or another configured service cannot be opened.
 */
export async function openSessions(given: NodeOptions = {}): Promise<OpenSessions> {
  const { options, services, shared, admin, metrics, ...node } = await createNode(given);
  const { sessions, connections, reportError } = shared;
  // Yoga masks and logs errors; this only gives Curfew's own errors their codes.
  const execute = createExecute({
    mask: nameError,
    onMasked: () => {},
    reportError,
    suggestions: true,
  });
  const { plugin, isInstalled } = createPlugin({ ...shared, services, execute });
  let isClosing = false;
  const close = async () => {
    isClosing = true;
    await drained(() => connections.lifecycles, options.drainTime);
    await node.close();
  };
  return {
    sessions,
    admin,
    events: services.events,
    connections,
    metrics: metrics.registry,
    plugin,
    socketOptions: ({ getEnveloped }) => {
      if (!isInstalled(getEnveloped))
        throw new Error(
          "This Yoga lacks Curfew's plugin: createYoga({ plugins: [curfew.plugin] })",
        );
      const pipeline = pluginPipeline(
        (params, caller, initialContext) =>
          getEnveloped({ ...initialContext, params, [callerKey]: caller }) as Enveloped,
      );
      return socketOptions({ ...shared, pipeline, isClosing: () => isClosing });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
