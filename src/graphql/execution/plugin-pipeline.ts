/** Operations through the plugins of a Yoga, on sockets too, and ended with their session whatever plugins do. */
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
import type { Result } from "./endable-stream.ts";
import { tooMuchMemory } from "../errors.ts";
import { reduceDocument } from "./reduce-document.ts";
import { chargeMemory } from "./charge-memory.ts";
import { endWithSession } from "./enforce-session-end.ts";
import type { ExecuteFn, Execute } from "./execute.ts";

/** An operation as a client sends it over a socket. */
export interface Payload {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/** What the operations of sockets go through. */
export interface Pipeline {
  /**
   * What to execute, or what is wrong with it.
   *
   * @param place what plugins find in the context of all operations of one socket
   */
  readonly prepare: (
    payload: Payload,
    caller: Caller,
    place: object | undefined,
  ) => Prepared | Promise<Prepared>;
  /** Executes what was prepared. */
  readonly run: (args: ExecutionArgs) => Promise<Result>;
}

export type Prepared = ExecutionArgs | readonly GraphQLError[];

/** What Yoga makes of its plugins, with the types that it leaves open. */
export interface Enveloped {
  readonly schema: GraphQLSchema;
  readonly parse: (query: string) => DocumentNode;
  readonly validate: (schema: GraphQLSchema, document: DocumentNode) => readonly GraphQLError[];
  readonly contextFactory: () => unknown;
  readonly execute: ExecuteFn;
  readonly subscribe: ExecuteFn;
}

/** @param envelop with what the context of the operation is to begin with */
export function pluginPipeline(
  envelop: (payload: Payload, caller: Caller, place: object | undefined) => Enveloped,
): Pipeline {
  const executed = new WeakMap<ExecutionArgs, () => Promise<Result>>();
  return {
    prepare: async (sent, caller, place) => {
      // What was sent is cleared when it is prepared, and plugins may look at it later.
      const payload = { ...sent };
      const enveloped = envelop(payload, caller, place);
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
          return await endWithSession((await execute(args)) as Result, caller);
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
 * To be the last plugin: what executes by then, some other plugin's function too, ends with the session, and so
 * does what plugins made of the answer.
 */
export function useSessionEnd(run: Execute): Plugin<CurfewContext> {
  const enclosed = (execute: ExecuteFn) => (args: ExecutionArgs) => run(args, execute);
  return {
    onExecute: ({ executeFn, setExecuteFn }) => {
      if (executeFn !== run) setExecuteFn(enclosed(executeFn));
    },
    onSubscribe: ({ subscribeFn, setSubscribeFn }) => {
      if (subscribeFn !== run) setSubscribeFn(enclosed(subscribeFn));
    },
    onExecutionResult: async (answer) => {
      const { result } = answer;
      const { caller } = answer.context as Partial<CurfewContext>;
      // Without it nothing was executed: the document was refused.
      if (result !== undefined && caller !== undefined)
        answer.setResult(await endWithSession(result, caller));
    },
  };
}
