/** Curfew in pieces, for a Yoga and a graphql-ws of an app's own. */
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

/** The pieces, all of one node. */
export interface OpenSessions extends AsyncDisposable {
  readonly sessions: Sessions;
  /** For operators: locks and deletes users, and ends their sessions. */
  readonly admin: Administration;
  /** The app's topics, on all nodes. */
  readonly events: Events;
  /** The sockets and streams of this node. */
  readonly connections: Connections;
  /** What is counted, for a page of your own: `await curfew.metrics.metrics()`. */
  readonly metrics: Registry;
  /**
   * For `createYoga`: puts the `CurfewContext` into the context, and ends what runs under a session with it,
   * event streams too. Other plugins find the session in the context if they come after it.
   */
  readonly plugin: Plugin<CurfewContext>;
  /**
   * For `useServer` of `graphql-ws/use/ws`: sockets live under the session of the token in their
   * `connection_init`, and end with it. Their operations go through all plugins of the Yoga.
   *
   * @throws {Error} when the Yoga does not have the plugin.
   */
  socketOptions(yoga: YogaLike): ServerOptions<Record<string, unknown>, SocketExtra>;
  /** Ends all connections over the `drainTime`, retryably, and closes everything that was opened. */
  close(): Promise<void>;
}

/** What `createYoga` gives, whatever contexts it was made for. */
export interface YogaLike {
  readonly getEnveloped: (context?: object) => unknown;
}

/**
 * Opens the store, and holds the sessions in it to their end on this node. Of the settings those of the store, of tokens
 * and of connections count: where your server listens, whose pages it serves and which documents it takes is
 * its own to say.
 *
 * @throws {ConfigError} when options are wrong.
 * @throws {Error} when what the options name cannot be opened.
 */
export async function openSessions(given: NodeOptions = {}): Promise<OpenSessions> {
  const { options, services, shared, admin, metrics, ...core } = await createNode(given);
  const { sessions, connections, reportError } = shared;
  // Yoga masks and logs; this only says what Curfew's own failures are.
  const run = createExecute({
    mask: nameError,
    onMasked: () => {},
    reportError,
    suggestions: true,
  });
  const { plugin, isIn } = createPlugin({ ...shared, services, run });
  let closing = false;
  const close = async () => {
    closing = true;
    await drained(() => connections.lifecycles, options.drainTime);
    await core.close();
  };
  return {
    sessions,
    admin,
    events: services.events,
    connections,
    metrics: metrics.registry,
    plugin,
    socketOptions: ({ getEnveloped }) => {
      if (!isIn(getEnveloped))
        throw new Error(
          "This Yoga lacks Curfew's plugin: createYoga({ plugins: [curfew.plugin] })",
        );
      const pipeline = pluginPipeline(
        (params, caller, place) =>
          getEnveloped({ ...place, params, [callerKey]: caller }) as Enveloped,
      );
      return socketOptions({ ...shared, pipeline, isClosing: () => closing });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
