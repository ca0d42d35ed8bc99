/** Runs operations through a Yoga's plugins, on sockets too, and ends them with their session whatever plugins do. */
import {
  getOperationAST,
  GraphQLError,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLSchema,
} from "graphql";
import type { Plugin } from "graphql-yoga";
import type { Caller } from "../caller.ts";
import type { CurfewContext } from "../context.ts";
import type { OperationResult } from "./endable-stream.ts";
import { tooMuchMemory } from "../errors.ts";
import { reduceDocument } from "./reduce-document.ts";
import { chargeMemory } from "./charge-memory.ts";
import { endWithSession } from "./enforce-session-end.ts";
import type { ExecuteFn, Execute } from "./execute.ts";

/** The payload of a `subscribe` message on a socket. */
export interface Payload {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/** Prepares and executes the operations of sockets. */
export interface Pipeline {
  /**
   * Returns the arguments to execute, or the operation's errors.
   *
   * @param socketContext part of the context of all operations of one socket
   */
  readonly prepare: (
    payload: Payload,
    caller: Caller,
    socketContext: object | undefined,
  ) => Prepared | Promise<Prepared>;
  /** Executes a prepared operation. */
  readonly run: (args: ExecutionArgs) => Promise<OperationResult>;
}

export type Prepared = ExecutionArgs | readonly GraphQLError[];

/** The result of Yoga's `getEnveloped`, with the types that Yoga leaves open. */
export interface Enveloped {
  readonly schema: GraphQLSchema;
  readonly parse: (query: string) => DocumentNode;
  readonly validate: (schema: GraphQLSchema, document: DocumentNode) => readonly GraphQLError[];
  readonly contextFactory: () => unknown;
  readonly execute: ExecuteFn;
  readonly subscribe: ExecuteFn;
}

/** @param envelop calls `getEnveloped` with the operation's initial context */
export function pluginPipeline(
  envelop: (payload: Payload, caller: Caller, socketContext: object | undefined) => Enveloped,
): Pipeline {
  const executed = new WeakMap<ExecutionArgs, () => Promise<OperationResult>>();
  return {
    prepare: async (received, caller, socketContext) => {
      // The received payload is cleared after `prepare`, and plugins may read it later.
      const payload = { ...received };
      const enveloped = envelop(payload, caller, socketContext);
      const { schema } = enveloped;
      const document = enveloped.parse(payload.query);
      const problems = enveloped.validate(schema, document);
      if (problems.length > 0) return problems;
      const { operationName = null, variables: variableValues = null } = payload;
      const operation = getOperationAST(document, operationName)?.operation;
      if (operation === undefined) return [operationNotFound()];
      const contextValue = await enveloped.contextFactory();
      const isSubscription = operation === OperationTypeNode.SUBSCRIPTION;
      const whole = { schema, document, operationName, variableValues, contextValue };
      const args = isSubscription ? reduceDocument(whole) : whole;
      if (!chargeMemory(args, caller, payload)) return [tooMuchMemory()];
      const execute = isSubscription ? enveloped.subscribe : enveloped.execute;
      executed.set(args, async () => {
        try {
          return await endWithSession((await execute(args)) as OperationResult, caller);
        } catch (error) {
          caller.done();
          throw error;
        }
      });
      return args;
    },
    run: async (args) => (await executed.get(args)?.()) ?? { errors: [operationNotFound()] },
  };
}

export function operationNotFound(): GraphQLError {
  return new GraphQLError("Unable to identify operation");
}

/**
 * A Yoga plugin that must be the last one. Ends every execution with its session, even if another plugin replaced the
 * execute function, and every result, even if plugins replaced it.
 */
export function useSessionEnd(execute: Execute): Plugin<CurfewContext> {
  const wrap = (executeFn: ExecuteFn) => (args: ExecutionArgs) => execute(args, executeFn);
  return {
    onExecute: ({ executeFn, setExecuteFn }) => {
      if (executeFn !== execute) setExecuteFn(wrap(executeFn));
    },
    onSubscribe: ({ subscribeFn, setSubscribeFn }) => {
      if (subscribeFn !== execute) setSubscribeFn(wrap(subscribeFn));
    },
    onExecutionResult: async (execution) => {
      const { result, context } = execution;
      const { caller } = context as Partial<CurfewContext>;
      // Without a caller nothing was executed: the document was refused.
      if (result !== undefined && caller !== undefined)
        execution.setResult(await endWithSession(result, caller));
    },
  };
}
