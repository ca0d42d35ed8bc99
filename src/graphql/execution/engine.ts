/** The engine: one pipeline that HTTP and the socket both execute on, and Yoga around it for HTTP. */
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
import { noCache, cacheDocuments, smallCache, type Compiled } from "./document-cache.ts";
import {
  pluginPipeline,
  operationNotFound,
  useSessionEnd,
  type Enveloped,
  type Pipeline,
} from "./plugin-pipeline.ts";
import { maskError, tooMuchMemory } from "../errors.ts";
import { executableOf } from "./executable.ts";
import { useSecurityHeaders } from "../plugins/use-security-headers.ts";
import { mayKeep } from "./charge-memory.ts";
import { useQueryLimits, type QueryLimits } from "../plugins/query-limits.ts";
import type { Result } from "./endable-stream.ts";
import { Occurrences } from "../yoga-logger.ts";
import type { OnMasked } from "./masked-errors.ts";
import { createExecute, type Execute } from "./execute.ts";
import { useParameterErrors } from "../plugins/use-parameter-errors.ts";
import { redactErrors } from "../plugins/redact-errors.ts";

/** What a transport passes along with each request or operation. */
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
  /** Whose pages may read answers; cookies are never asked for. */
  readonly allowsOrigin: (origin: string, host: string | null) => boolean;
  readonly introspection: boolean;
  readonly limits: QueryLimits;
  /** The app's own: all operations go through them. */
  readonly plugins: AppPlugins;
}

/** What Yoga takes where the context is Curfew's. */
export type AppPlugins = NonNullable<YogaServerOptions<ServerContext, CurfewContext>["plugins"]>;

/** An operation of a document that was compiled. */
export type Operation = Pick<ExecutionArgs, "document" | "operationName" | "variableValues">;

export interface Engine extends Pick<ReturnType<typeof createAdapter>, "handle" | "fetchAPI"> {
  /** What the operations of sockets go through. */
  readonly pipeline: Pipeline;
  /** The short way of plain requests; there is none where plugins are to see each operation. */
  readonly fastPath: FastPath | undefined;
}

export interface FastPath {
  /** Parses and validates, unless it did so lately. */
  readonly compile: (query: string) => Compiled;
  /** Runs it for whoever turns out to ask; what fails unexpectedly is in the result, masked. */
  readonly answer: (operation: Operation, caller: Promise<Caller>) => Promise<Result>;
}

export function createEngine(options: EngineOptions): Engine {
  const { schema, services, logger, reportError } = options;
  const onMasked: OnMasked = (error, count) => logger.error(error, new Occurrences(count));
  const run = createExecute({
    mask: maskError,
    onMasked,
    reportError,
    suggestions: options.introspection,
  });
  const adapter = createAdapter(options, run);
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
      const sent = { document, operationName, variableValues: variables };
      const isSubscription = operation.operation === OperationTypeNode.SUBSCRIPTION;
      const args = argsOf(isSubscription ? executableOf(sent) : sent, caller);
      return mayKeep(args, caller) ? args : [tooMuchMemory()];
    },
    run,
  };
  const answer: FastPath["answer"] = async (operation, caller) => {
    try {
      return await run(argsOf(operation, await caller));
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

/** For all requests that are more than a JSON POST: GET, streams, forms, and what is wrong. */
function createAdapter(options: EngineOptions, run: Execute) {
  const { schema, services, logger, allowsOrigin } = options;
  return createYoga<ServerContext, CurfewContext>({
    schema,
    context: async ({ identify }) => createContext(services, await identify()),
    logging: logger,
    maskedErrors: { maskError },
    maxRequestBodySize: options.maxMessageSize,
    multipart: false,
    // A syntax error that is remembered would be answered with the status of its first occasion.
    parserAndValidationCache: { documentCache: smallCache(), errorCache: noCache },
    cors: ({ headers }) => {
      const origin = headers.get("origin") ?? "";
      if (!allowsOrigin(origin, headers.get("host"))) return false;
      return { origin: [origin], credentials: false, methods: ["GET", "POST"] };
    },
    landingPage: false,
    graphiql: false,
    plugins: [
      runningBy(run),
      useQueryLimits({ limits: options.limits, suggestions: options.introspection }),
      useSecurityHeaders,
      useParameterErrors,
      redactErrors({ suggestions: options.introspection }),
      ...(options.introspection ? [] : [withoutIntrospection]),
      ...(options.plugins.length > 0
        ? [guardingPlugin(), ...options.plugins, useSessionEnd(run)]
        : []),
    ],
  });
}

function runningBy(run: Execute): Plugin {
  return {
    onExecute: ({ setExecuteFn }) => setExecuteFn(run),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(run),
  };
}

const withoutIntrospection: Plugin = {
  onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule),
};
