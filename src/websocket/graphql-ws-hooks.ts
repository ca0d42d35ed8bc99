/** What graphql-ws asks of its server: who may connect, and how an operation runs. */
import {
  getOperationAST,
  type GraphQLError,
  OperationTypeNode,
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLFormattedError,
} from "graphql";
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
import { acceptToken, type Showing } from "./show-token.ts";

/** A socket as this file needs it. */
export interface Socket extends Showing {
  readonly device: Device;
  /** From the opening of the socket on; its end closes the socket. */
  readonly lifecycle: ConnectionLifecycle;
  /** Called when its `connection_init` has come. */
  onInit(): void;
  /** Called when its client has signed in on it. */
  onAdmitted(): void;
  /** Whose session it is; set with the claims. */
  userId: string | undefined;
  /** How many operations were begun and are not over. */
  operations: number;
  /** By operation: what waits for its answer to be sent. On few sockets anything ever does. */
  onReplied: Map<string, () => void> | undefined;
  /** What plugins find in the context of each of its operations. */
  readonly initialContext?: object;
}

export interface OperationOptions extends AdmissionOptions {
  readonly pipeline: Pipeline;
  readonly sessions: Sessions;
  readonly maxOperationsPerSocket: number;
}

/** As graphql-ws hands it over, with absent fields undefined. */
type Result = { [Field in keyof ExecutionResult]: ExecutionResult[Field] | undefined };
type SocketContext = Context<Record<string, unknown>, Socket>;
type Hooks = ServerOptions<Record<string, unknown>, Socket>;
/** Milliseconds that an end waits for the answer of the operation that caused it. */
const replyTimeout = 1_000;

export function socketHooks(options: OperationOptions) {
  return {
    // The socket has a timer of its own, which it stops when that has come.
    connectionInitWaitTimeout: 0,
    onConnect: (context) => connect(context, options),
    onSubscribe: (context, id, payload) => prepare(context, id, payload, options),
    execute: (args) => run(args, options),
    subscribe: async (args) => {
      const result = await run(args, options);
      // Refused because it closes: graphql-ws's client subscribes again on the next one, if it gets no answer.
      const { lifecycle } = callerOfArgs(args);
      if (lifecycle.closingFor !== undefined && !isAsyncIterable(result)) await ended(lifecycle);
      return result;
    },
    onOperation: ({ extra: socket }, _id, payload, args, result) => {
      // A query whose answer comes in parts counts as a stream: it may be asked again.
      if (isAsyncIterable(result) && !isOf(args, OperationTypeNode.MUTATION))
        socket.lifecycle.finishAnswer(payload);
    },
    onNext: (_context, _id, _payload, _args, result) => formatResult(result),
    onError: (_context, _id, _payload, errors) => errors.map(formatError),
    onComplete: ({ extra: socket }, id, payload) => {
      const replied = socket.onReplied?.get(id);
      // The answer was sent; `complete` still is to be, in this turn of the event loop.
      setImmediate(() => {
        socket.lifecycle.finishAnswer(payload);
        replied?.();
      });
    },
  } satisfies Hooks;
}

/** The payload of the acknowledgement, or false after the end of the socket. */
async function connect(
  context: SocketContext,
  options: OperationOptions,
): Promise<Record<string, unknown> | false> {
  const { sessions } = options;
  const { connectionParams, extra: socket } = context;
  // graphql-ws would keep the token for as long as the socket.
  Reflect.deleteProperty(context, "connectionParams");
  socket.onInit();
  const { lifecycle } = socket;
  const note = noteOn(socket);
  const reading = sessions.verify(tokenFromConnectionParams(connectionParams));
  if (!reading.ok) {
    note(reading.reason, reading.claims);
    lifecycle.end(closeReasonFor(reading.reason));
    return false;
  }
  const { claims } = reading;
  const check = () => sessions.check(claims);
  const request = {
    claims,
    connection: socket,
    check,
    logRefusal: note,
    kind: "stream",
  } as const;
  const session = await admit(request, options);
  if (session === undefined) {
    // Its end may be known and not told yet; it closes the socket before graphql-ws does.
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

/** What to execute, or the errors that answer the operation; the socket stays open in either case. */
async function prepare(
  { extra: socket }: SocketContext,
  id: string,
  payload: SubscribePayload,
  options: OperationOptions,
): Promise<Prepared> {
  socket.operations += 1;
  const isOneTooMany = socket.operations > options.maxOperationsPerSocket;
  const prepared = await begin(socket, id, payload, options);
  clear(payload);
  if (socket.lifecycle.closingFor !== undefined && !isOneTooMany) return notBegun(socket, prepared);
  // Only what is executed is ever done.
  if (!("document" in prepared)) socket.operations -= 1;
  // By its payload: an id may be used again while it runs.
  else if (!isOf(prepared, OperationTypeNode.SUBSCRIPTION)) socket.lifecycle.beginAnswer(payload);
  return prepared;
}

/** Of a message that was prepared: graphql-ws keeps it until the operation is done. */
function clear(payload: SubscribePayload): void {
  for (const name of Object.keys(payload)) Reflect.deleteProperty(payload, name);
  Object.assign(payload, { query: "" });
}

/**
 * An operation that is not begun any more, since its socket closes. It counts as one and is not answered: where the
 * socket closes retryably, graphql-ws's client sends it again on the next one.
 */
async function notBegun({ lifecycle }: Socket, prepared: Prepared): Promise<Prepared> {
  // Gives back what it was charged for, since it is not executed.
  if ("document" in prepared) callerOfArgs(prepared).done();
  return [endingError(await ended(lifecycle))];
}

function callerOfArgs({ contextValue }: ExecutionArgs): Caller {
  return (contextValue as CurfewContext).caller;
}

function ended(lifecycle: ConnectionLifecycle): Promise<CloseReason> {
  const { promise, resolve } = Promise.withResolvers<CloseReason>();
  lifecycle.onEnd(resolve);
  return promise;
}

/** graphql-ws would close the socket, and everything else on it, for what a plugin throws. */
async function run(args: ExecutionArgs, { pipeline, reportError }: OperationOptions) {
  try {
    return await pipeline.run(args);
  } catch (error) {
    const shown = maskError(error);
    if (shown !== error) reportError("an operation failed", error);
    return { errors: [shown] };
  }
}

function isOf({ document, operationName }: ExecutionArgs, type: OperationTypeNode): boolean {
  return getOperationAST(document, operationName)?.operation === type;
}

async function begin(
  socket: Socket,
  id: string,
  payload: SubscribePayload,
  options: OperationOptions,
): Promise<Prepared> {
  const { sessions, connections, pipeline, maxOperationsPerSocket, reportError } = options;
  const { lifecycle, claims } = socket;
  if (claims === undefined) return [unauthenticated("MISSING")];
  // While it closes, too: those that are not begun any more wait for its end.
  if (socket.operations > maxOperationsPerSocket) {
    socket.note("TOO_MANY_OPERATIONS", claims);
    return [tooManyOperations(maxOperationsPerSocket)];
  }
  if (lifecycle.closingFor !== undefined) return [endingError(lifecycle.closingFor)];
  try {
    const authentication = connections.checkOperation(socket, await sessions.checkAgain(claims));
    const refusal = refusalOf(authentication);
    if (refusal !== undefined) socket.note(refusal, claims);
    if (authentication.state === "unavailable") return [serviceUnavailable()];
    if (authentication.state === "refused") {
      const ending = closeReasonFor(authentication.reason);
      // All else closes when running answers have gone out.
      if (ending !== "SESSION_EXPIRED") lifecycle.end(ending);
      return [unauthenticated(authentication.reason)];
    }
    return await pipeline.prepare(
      payload,
      callerOf(socket, id, authentication, options),
      socket.initialContext,
    );
  } catch (error) {
    const shown = maskError(error);
    if (shown !== error) reportError("an operation could not begin", error);
    return [shown];
  }
}

function callerOf(
  socket: Socket,
  id: string,
  authentication: Authentication,
  { connections, ledger }: OperationOptions,
): Caller {
  const { lifecycle, device } = socket;
  return new Caller({
    ledger,
    authentication,
    device,
    lifecycle,
    noteRefusal: noteOn(socket),
    onDone: () => void (socket.operations -= 1),
    onRenewed: ({ fingerprint, generation, accessExpiresAt: expiresAt }) =>
      acceptToken(socket, { fingerprint, generation, expiresAt }, { connections }),
    onReplyBeforeClose: () => {
      const release = () => {
        clearTimeout(timer);
        socket.onReplied?.delete(id);
        lifecycle.flushClose();
      };
      const timer = setTimeout(release, replyTimeout);
      socket.onReplied ??= new Map();
      socket.onReplied.set(id, release);
    },
  });
}

function noteOn(socket: Socket): LogRefusal {
  return (reason, claims) => socket.note(reason, claims);
}

/** Undefined where graphql-ws may send the result as it is. */
function formatResult({ errors, ...rest }: Result): FormattedExecutionResult | undefined {
  if (errors === undefined) return undefined;
  // What is undefined is not sent; of what comes in parts there is more than the types know.
  return { ...rest, errors: errors.map(formatError) } as FormattedExecutionResult;
}

/** Without what Yoga keeps in the extensions for its own HTTP answers. */
function formatError(error: GraphQLError | GraphQLFormattedError): GraphQLFormattedError {
  // A plugin may have kept the answer as text.
  const { extensions, ...rest } = "toJSON" in error ? error.toJSON() : error;
  if (extensions === undefined) return rest;
  const { http: _http, unexpected: _unexpected, ...shown } = extensions;
  return { ...rest, extensions: shown };
}
