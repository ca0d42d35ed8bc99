/** A plugin for an app's own Yoga server: adds the session to the context, and ends operations with their session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "graphql-yoga";
import { guardingPlugin } from "../graphql/authenticated.ts";
import type { Caller } from "../graphql/caller.ts";
import { createContext, type CurfewContext, type Services } from "../graphql/context.ts";
import { useSessionEnd } from "../graphql/execution/plugin-pipeline.ts";
import type { Execute } from "../graphql/execution/execute.ts";
import { identifyRequest, identifyHttpCaller, type RequestOptions } from "../http/caller.ts";

export interface PluginOptions extends RequestOptions {
  readonly services: Services;
  readonly execute: Execute;
}

/** Key of the caller in the context of a socket's operation. */
export const callerKey = Symbol("caller");

/** The initial context of an operation. On Node's HTTP it has the request and the response. */
interface InitialContext {
  readonly [callerKey]?: Caller;
  readonly request?: Request;
  readonly req?: IncomingMessage;
  readonly res?: ServerResponse;
}

export interface SessionPlugin {
  readonly plugin: Plugin<CurfewContext>;
  /** Whether a Yoga server has this plugin. */
  readonly isInstalled: (getEnveloped: (context: object) => unknown) => boolean;
}

export function createPlugin(options: PluginOptions): SessionPlugin {
  const marker = Symbol("installed");
  const installed: object = { [marker]: true };
  const lastPlugin = useSessionEnd(options.execute);
  return {
    isInstalled: (getEnveloped) => {
      const context = { [marker]: false };
      getEnveloped(context);
      return context[marker];
    },
    plugin: {
      onPluginInit: ({ plugins, addPlugin }) => {
        addPlugin(guardingPlugin());
        // Not with `addPlugin`, which would insert it before the plugins that follow this one.
        plugins.push(lastPlugin);
      },
      onEnveloped: ({ extendContext }) => extendContext(installed),
      onContextBuilding: async ({ context, extendContext }) => {
        const caller = await callerOf(context, options);
        extendContext(createContext(options.services, caller));
      },
    },
  };
}

function callerOf(context: InitialContext, options: RequestOptions): Caller | Promise<Caller> {
  const { [callerKey]: caller, req, res, request } = context;
  if (caller !== undefined) return caller;
  if (req?.socket !== undefined && res !== undefined) {
    // Each operation of a batch listens for the end of the response.
    res.setMaxListeners(0);
    return identifyRequest(req, res, options);
  }
  const closed = Promise.withResolvers<void>();
  request?.signal.addEventListener("abort", () => closed.resolve(), { once: true });
  const httpCaller = {
    authorization: request?.headers.get("authorization"),
    device: { userAgent: request?.headers.get("user-agent") ?? null, ipAddress: null },
    onLeave: (leave: () => void) => void closed.promise.then(leave),
    onDone: () => closed.resolve(),
  };
  return identifyHttpCaller(httpCaller, options);
}
