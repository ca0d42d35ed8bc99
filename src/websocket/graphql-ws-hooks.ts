/** graphql-ws's server hooks: authenticate a socket at `connection_init`, and run its operations. */
import { getOperationAST, OperationTypeNode, type ExecutionArgs } from "graphql";
import type { Context, ServerOptions, SubscribePayload } from "graphql-ws";
import { isAsyncIterable } from "graphql-yoga";
import { Caller } from "../graphql/caller.ts";
import type { CurfewContext } from "../graphql/context.ts";
import type { Pipeline, Prepared } from "../graphql/execution/plugin-pipeline.ts";
import {
  endingError,
  maskError,
  serviceUnavailable,
  tooManyOperations,
  unauthenticated,
} from "../graphql/errors.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "../connections/lifecycle.ts";
import type { Device } from "../session/session.ts";
import type { Authentication, Sessions } from "../session/sessions.ts";
import { admit, closeReasonFor, type AdmissionOptions } from "../connections/admit.ts";
import { tokenFromConnectionParams } from "../protocol/connection-init.ts";
import { refusalOf, type LogRefusal } from "../connections/refusals.ts";
import { formatError, formatResult } from "./format-result.ts";
import { applyToken, type RenewableConnection } from "./present-token.ts";

/** The part of a socket that the hooks use. */
export interface Socket extends RenewableConnection {
  readonly device: Device;
  /** Begins when the socket opens; its end closes the socket. */
  readonly lifecycle: ConnectionLifecycle;
  /** Called when `connection_init` is received. */
  onInit(): void;
  /** Called when the client is authenticated. */
  onAdmitted(): void;
  /** The session's user; set together with the claims. */
  userId: string | undefined;
  /** Number of operations in flight. */
  operations: number;
  /** Added to the context of each operation, for plugins. */
  readonly initialContext?: object;
}

export interface OperationOptions extends AdmissionOptions {
  readonly pipeline: Pipeline;
  readonly sessions: Sessions;
  readonly maxOperationsPerSocket: number;
}

type HookContext = Context<Record<string, unknown>, Socket>;
type Hooks = ServerOptions<Record<string, unknown>, Socket>;

/** How long the close waits for the reply of the operation that ended its own session (ms). */
const ownReplyTimeout = 1_000;

/** The payload of a `subscribe` message identifies its operation and reply: a client may reuse the id meanwhile. */
export function socketHooks(options: OperationOptions) {
  return {
    // The socket has its own timer, which `onInit` stops.
    connectionInitWaitTimeout: 0,
    onConnect: (context) => connect(context, options),
    onSubscribe: (context, _id, payload) => prepare(context, payload, options),
    execute: (args) => execute(args, options),
    subscribe: async (args) => {
      const result = await execute(args, options);
      // Refused because the socket closes: without a reply, graphql-ws's client subscribes again after it reconnects.
      const { lifecycle } = callerOfArgs(args);
      if (lifecycle.closingFor !== undefined && !isAsyncIterable(result)) await untilEnd(lifecycle);
      return result;
    },
    onOperation: ({ extra: socket }, _id, payload, args, result) => {
      // A query with incremental delivery counts as a stream: repeating it is safe.
      if (isAsyncIterable(result) && !hasType(args, OperationTypeNode.MUTATION))
        socket.lifecycle.finishReply(payload);
    },
    onNext: (_context, _id, _payload, _args, result) => formatResult(result),
    onError: (_context, _id, _payload, errors) => errors.map(formatError),
    onComplete: ({ extra: socket }, _id, payload) => {
      // The result was sent; `complete` follows in this turn of the event loop.
      setImmediate(() => socket.lifecycle.finishReply(payload));
    },
  } satisfies Hooks;
}

/** Resolves to the payload of `connection_ack`, or to false when the socket has ended. */
async function connect(
  context: HookContext,
  options: OperationOptions,
): Promise<Record<string, unknown> | false> {
  const { sessions } = options;
  const { connectionParams, extra: socket } = context;
  // graphql-ws would keep the token for as long as the socket.
  Reflect.deleteProperty(context, "connectionParams");
  socket.onInit();
  const { lifecycle } = socket;
  const logRefusal = refusalLogOf(socket);
  const verified = sessions.verify(tokenFromConnectionParams(connectionParams));
  if (!verified.ok) {
    logRefusal(verified.reason, verified.claims);
    lifecycle.end(closeReasonFor(verified.reason));
    return false;
  }
  const { claims } = verified;
  const session = await admit({ claims, connection: socket, kind: "stream", logRefusal }, options);
  if (session === undefined) {
    // If it is only marked closed yet: Curfew's close must come before graphql-ws's own.
    if (lifecycle.closeReason !== undefined) lifecycle.end(lifecycle.closeReason);
    return false;
  }
  socket.claims = claims;
  socket.userId = session.userId;
  socket.onAdmitted();
  return {
    sessionId: session.fingerprint,
    accessTokenExpiresAt: new Date(socket.expiresAt).toISOString(),
  };
}

/** Resolves to the arguments for execution, or to the errors to reply with; the socket stays open in either case. */
async function prepare(
  { extra: socket }: HookContext,
  payload: SubscribePayload,
  options: OperationOptions,
): Promise<Prepared> {
  socket.operations += 1;
  const isOneTooMany = socket.operations > options.maxOperationsPerSocket;
  const prepared = await authorize(socket, payload, options);
  clear(payload);
  if (socket.lifecycle.closingFor !== undefined && !isOneTooMany)
    return withoutReply(socket, prepared);
  // Only executed operations call `onDone`.
  if (!("document" in prepared)) socket.operations -= 1;
  else if (!hasType(prepared, OperationTypeNode.SUBSCRIPTION)) socket.lifecycle.beginReply(payload);
  return prepared;
}

/** Frees the content of a message that was prepared: graphql-ws keeps the object until the operation is done. */
function clear(payload: SubscribePayload): void {
  for (const name of Object.keys(payload)) Reflect.deleteProperty(payload, name);
  Object.assign(payload, { query: "" });
}

/**
 * Neither executes nor answers an operation, which still counts as one in flight. If the socket closes retryably,
 * graphql-ws's client repeats the operation after it reconnects.
 */
async function withoutReply({ lifecycle }: Socket, prepared: Prepared): Promise<Prepared> {
  // Releases its memory charge, since it is not executed.
  if ("document" in prepared) callerOfArgs(prepared).done();
  return [endingError(await untilEnd(lifecycle))];
}

function callerOfArgs({ contextValue }: ExecutionArgs): Caller {
  return (contextValue as CurfewContext).caller;
}

function untilEnd(lifecycle: ConnectionLifecycle): Promise<CloseReason> {
  const { promise, resolve } = Promise.withResolvers<CloseReason>();
  lifecycle.onEnd(resolve);
  return promise;
}

/** Catches errors of plugins, for which graphql-ws would close the socket and end its other operations. */
async function execute(args: ExecutionArgs, { pipeline, reportError }: OperationOptions) {
  try {
    return await pipeline.run(args);
  } catch (error) {
    const masked = maskError(error);
    if (masked !== error) reportError("an operation failed", error);
    return { errors: [masked] };
  }
}

function hasType({ document, operationName }: ExecutionArgs, type: OperationTypeNode): boolean {
  return getOperationAST(document, operationName)?.operation === type;
}

/** Checks the session again for this operation, and prepares the operation. */
async function authorize(
  socket: Socket,
  payload: SubscribePayload,
  options: OperationOptions,
): Promise<Prepared> {
  const { sessions, connections, pipeline, maxOperationsPerSocket, reportError } = options;
  const { lifecycle, claims } = socket;
  if (claims === undefined) return [unauthenticated("MISSING")];
  // While it closes, too: those that are not begun any more wait for its end.
  if (socket.operations > maxOperationsPerSocket) {
    socket.logRefusal("TOO_MANY_OPERATIONS", claims);
    return [tooManyOperations(maxOperationsPerSocket)];
  }
  if (lifecycle.closingFor !== undefined) return [endingError(lifecycle.closingFor)];
  try {
    const authentication = connections.checkOperation(socket, await sessions.checkAgain(claims));
    const refusal = refusalOf(authentication);
    if (refusal !== undefined) socket.logRefusal(refusal, claims);
    if (authentication.state === "unavailable") return [serviceUnavailable()];
    if (authentication.state === "refused") {
      const reason = closeReasonFor(authentication.reason);
      // `checkOperation` closes for SESSION_EXPIRED, after the replies in flight.
      if (reason !== "SESSION_EXPIRED") lifecycle.end(reason);
      return [unauthenticated(authentication.reason)];
    }
    const caller = createCaller(socket, payload, authentication, options);
    return await pipeline.prepare(payload, caller, socket.initialContext);
  } catch (error) {
    const masked = maskError(error);
    if (masked !== error) reportError("an operation could not begin", error);
    return [masked];
  }
}

function createCaller(
  socket: Socket,
  payload: SubscribePayload,
  authentication: Authentication,
  { connections, ledger }: OperationOptions,
): Caller {
  const { lifecycle, device } = socket;
  return new Caller({
    ledger,
    authentication,
    device,
    lifecycle,
    reply: payload,
    replyTimeout: ownReplyTimeout,
    noteRefusal: refusalLogOf(socket),
    onDone: () => void (socket.operations -= 1),
    onRenewed: ({ fingerprint, generation, accessExpiresAt: expiresAt }) =>
      applyToken(socket, { fingerprint, generation, expiresAt }, { connections }),
  });
}

function refusalLogOf(socket: Socket): LogRefusal {
  return (reason, claims) => socket.logRefusal(reason, claims);
}
