/** The GraphQL engine: one execution pipeline for HTTP and sockets, and Yoga as the HTTP adapter around it. */
import type { ReportError } from "../../lib/report-error.ts";
import {
  getOperationAST,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  type ExecutionArgs,
  type GraphQLSchema,
} from "graphql";
import { createYoga, type Plugin, type YogaLogger, type YogaServerOptions } from "graphql-yoga";
import { guardingPlugin } from "../authenticated.ts";
import type { Caller } from "../caller.ts";
import { createContext, type CurfewContext, type Services } from "../context.ts";
import { noCache, cacheDocuments, boundedCache, type Compiled } from "./document-cache.ts";
import {
  pluginPipeline,
  operationNotFound,
  useSessionEnd,
  type Enveloped,
  type Pipeline,
} from "./plugin-pipeline.ts";
import { maskError, tooMuchMemory } from "../errors.ts";
import { reduceDocument } from "./reduce-document.ts";
import { useSecurityHeaders } from "../plugins/use-security-headers.ts";
import { chargeMemory } from "./charge-memory.ts";
import { useQueryLimits, type QueryLimits } from "../plugins/query-limits.ts";
import type { OperationResult } from "./endable-stream.ts";
import { Occurrences } from "../yoga-logger.ts";
import type { OnMasked } from "./report-masked-errors.ts";
import { createExecute, type Execute } from "./execute.ts";
import { useParameterErrors } from "../plugins/use-parameter-errors.ts";
import { useErrorRedaction } from "../plugins/redact-errors.ts";

/** The context that a transport passes with each request or operation. */
export interface ServerContext {
  readonly identify: () => Caller | Promise<Caller>;
}

export interface EngineOptions {
  readonly schema: GraphQLSchema;
  readonly services: Services;
  readonly logger: YogaLogger;
  readonly reportError: ReportError;
  /** Bytes of a request body. */
  readonly maxMessageSize: number;
  /** Returns whether CORS allows an origin to read responses. Credentials are never allowed. */
  readonly allowsOrigin: (origin: string, host: string | null) => boolean;
  readonly introspection: boolean;
  readonly limits: QueryLimits;
  /** The app's plugins. All operations go through them. */
  readonly plugins: AppPlugins;
}

/** Plugins for a Yoga with Curfew's context. */
export type AppPlugins = NonNullable<YogaServerOptions<ServerContext, CurfewContext>["plugins"]>;

/** An operation of a compiled document. */
export type Operation = Pick<ExecutionArgs, "document" | "operationName" | "variableValues">;

export interface Engine extends Pick<ReturnType<typeof createAdapter>, "handle" | "fetchAPI"> {
  /** Executes the operations of sockets. */
  readonly pipeline: Pipeline;
  /** Executes plain requests without Yoga. Undefined if the app has plugins, which must see each operation. */
  readonly fastPath: FastPath | undefined;
}

export interface FastPath {
  /** Parses and validates a document, unless it is cached. */
  readonly compile: (query: string) => Compiled;
  /** Executes the operation. Unexpected errors, also of `caller`, are masked in the result. */
  readonly answer: (operation: Operation, caller: Promise<Caller>) => Promise<OperationResult>;
}

export function createEngine(options: EngineOptions): Engine {
  const { schema, services, logger, reportError } = options;
  const onMasked: OnMasked = (error, count) => logger.error(error, new Occurrences(count));
  const execute = createExecute({
    mask: maskError,
    onMasked,
    reportError,
    suggestions: options.introspection,
  });
  const adapter = createAdapter(options, execute);
  const envelop = (context?: object) => adapter.getEnveloped(context) as Enveloped;
  if (options.plugins.length > 0) {
    const pipeline = pluginPipeline((params, caller) =>
      envelop({ params, identify: () => caller }),
    );
    return { handle: adapter.handle, fetchAPI: adapter.fetchAPI, pipeline, fastPath: undefined };
  }

  const compile = cacheDocuments((query) => {
    const enveloped = envelop();
    const document = enveloped.parse(query);
    return [document, enveloped.validate(schema, document)];
  });
  const argsOf = (operation: Operation, caller: Caller) => ({
    ...operation,
    schema,
    contextValue: createContext(services, caller),
  });
  const pipeline: Pipeline = {
    prepare: ({ query, operationName = null, variables = null }, caller) => {
      const compiled = compile(query);
      if ("problems" in compiled) return compiled.problems;
      const { document } = compiled;
      const operation = getOperationAST(document, operationName);
      if (!operation) return [operationNotFound()];
      const received = { document, operationName, variableValues: variables };
      const isSubscription = operation.operation === OperationTypeNode.SUBSCRIPTION;
      const args = argsOf(isSubscription ? reduceDocument(received) : received, caller);
      return chargeMemory(args, caller) ? args : [tooMuchMemory()];
    },
    run: execute,
  };
  const answer: FastPath["answer"] = async (operation, caller) => {
    try {
      return await execute(argsOf(operation, await caller));
    } catch (error) {
      onMasked(error, 1);
      return { errors: [maskError(error)] };
    }
  };
  return {
    handle: adapter.handle,
    fetchAPI: adapter.fetchAPI,
    pipeline,
    fastPath: { compile, answer },
  };
}

/** Creates the Yoga for all requests except plain JSON POSTs: GET, event streams, forms and malformed requests. */
function createAdapter(options: EngineOptions, execute: Execute) {
  const { schema, services, logger, allowsOrigin } = options;
  return createYoga<ServerContext, CurfewContext>({
    schema,
    context: async ({ identify }) => createContext(services, await identify()),
    logging: logger,
    maskedErrors: { maskError },
    maxRequestBodySize: options.maxMessageSize,
    multipart: false,
    // A cached syntax error would keep the HTTP status of its first request.
    parserAndValidationCache: { documentCache: boundedCache(), errorCache: noCache },
    cors: ({ headers }) => {
      const origin = headers.get("origin") ?? "";
      if (!allowsOrigin(origin, headers.get("host"))) return false;
      return { origin: [origin], credentials: false, methods: ["GET", "POST"] };
    },
    landingPage: false,
    graphiql: false,
    plugins: [
      useExecute(execute),
      useQueryLimits({ limits: options.limits, suggestions: options.introspection }),
      useSecurityHeaders,
      useParameterErrors,
      useErrorRedaction({ suggestions: options.introspection }),
      ...(options.introspection ? [] : [withoutIntrospection]),
      ...(options.plugins.length > 0
        ? [guardingPlugin(), ...options.plugins, useSessionEnd(execute)]
        : []),
    ],
  });
}

function useExecute(execute: Execute): Plugin {
  return {
    onExecute: ({ setExecuteFn }) => setExecuteFn(execute),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(execute),
  };
}

const withoutIntrospection: Plugin = {
  onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule),
};
