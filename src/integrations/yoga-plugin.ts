/** The plugin that gives a Yoga of an app's own Curfew's sessions: in the context, and as the end of operations. */
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
  readonly run: Execute;
}

/** Where the context of a socket's operation has its caller. */
export const callerKey = Symbol("caller");

/** The context of an operation before any plugin saw it; where Yoga runs on Node's HTTP, with both ends of it. */
interface Beginning {
  readonly [callerKey]?: Caller;
  readonly request?: Request;
  readonly req?: IncomingMessage;
  readonly res?: ServerResponse;
}

export interface SessionPlugin {
  readonly plugin: Plugin<CurfewContext>;
  /** Whether it is among a Yoga's plugins. */
  readonly isIn: (envelop: (context: object) => unknown) => boolean;
}

export function createPlugin(options: PluginOptions): SessionPlugin {
  const mark = Symbol("marked");
  const marked: object = { [mark]: true };
  const last = useSessionEnd(options.run);
  return {
    isIn: (envelop) => {
      const context = { [mark]: false };
      envelop(context);
      return context[mark];
    },
    plugin: {
      onPluginInit: ({ plugins, addPlugin }) => {
        addPlugin(guardingPlugin());
        // Not by `addPlugin`, which would put it before those that come after this one.
        plugins.push(last);
      },
      onEnveloped: ({ extendContext }) => extendContext(marked),
      onContextBuilding: async ({ context, extendContext }) => {
        const caller = await callerOf(context, options);
        extendContext(createContext(options.services, caller));
      },
    },
  };
}

function callerOf(context: Beginning, options: RequestOptions): Caller | Promise<Caller> {
  const { [callerKey]: caller, req, res, request } = context;
  if (caller !== undefined) return caller;
  if (req?.socket !== undefined && res !== undefined) {
    // Each operation of a batch listens to its end.
    res.setMaxListeners(0);
    return identifyRequest(req, res, options);
  }
  const left = Promise.withResolvers<void>();
  request?.signal.addEventListener("abort", () => left.resolve(), { once: true });
  const visit = {
    authorization: request?.headers.get("authorization"),
    device: { userAgent: request?.headers.get("user-agent") ?? null, ipAddress: null },
    onLeave: (leave: () => void) => void left.promise.then(leave),
    onDone: () => left.resolve(),
  };
  return identifyHttpCaller(visit, options);
}
