/** What graphql-ws asks of its server: who may connect, and how an operation runs. */
import type {
  execute,
  ExecutionArgs,
  ExecutionResult,
  FormattedExecutionResult,
  GraphQLError,
  GraphQLFormattedError,
  GraphQLSchema,
  parse,
  subscribe,
  validate,
} from "graphql";
import type { Context, ServerOptions, SubscribePayload } from "graphql-ws";
import type { Caller, CurfewContext } from "../graphql/context.ts";
import type { Engine } from "../graphql/engine.ts";
import {
  endingError,
  maskError,
  serviceUnavailable,
  tooManyOperations,
  unauthenticated,
} from "../graphql/errors.ts";
import type { Life } from "../session/life.ts";
import type { Device } from "../session/session.ts";
import type { Authentication, Sessions } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";
import { closeForRefusal, closes, type Close } from "./close-codes.ts";
import type { Connections } from "./connections.ts";
import { tokenFromConnectionParams } from "./credentials.ts";
import { refusalOf, type NoteRefusal, type Refusal } from "./refusals.ts";

/** A socket as this file needs it. */
export interface Socket {
  readonly device: Device;
  /** From the opening of the socket on; its end closes the socket. */
  readonly life: Life;
  /** Set as soon as the token of `connection_init` is verified; whoever closes the socket leaves for it. */
  claims: Claims | undefined;
  readonly isOpen: () => boolean;
  readonly close: (close: Close) => void;
  /** By operation: what waits for its answer to be sent. */
  readonly onReplied: Map<string, () => void>;
}

export interface OperationOptions {
  readonly engine: Engine;
  readonly sessions: Sessions;
  readonly connections: Connections;
  readonly noteRefusal: NoteRefusal;
  readonly maxOperations: number;
  /** Milliseconds from the opening of a socket to its `connection_init`, which may wait for a renewal. */
  readonly initTimeout: number;
  /** Milliseconds that checking a `connection_init` may take. */
  readonly admissionTimeout: number;
  readonly onFault: (what: string, error: unknown) => void;
}

/** As graphql-ws hands it over, with absent fields undefined. */
type Result = { [Field in keyof ExecutionResult]: ExecutionResult[Field] | undefined };
type SocketContext = Context<Record<string, unknown>, Socket>;
type Hooks = ServerOptions<Record<string, unknown>, Socket>;
/** What Yoga makes for an operation, with the types that it leaves open. */
interface Enveloped {
  readonly schema: GraphQLSchema;
  readonly parse: typeof parse;
  readonly validate: typeof validate;
  readonly contextFactory: () => CurfewContext | Promise<CurfewContext>;
  readonly execute: typeof execute;
  readonly subscribe: typeof subscribe;
}
/** Carried to `execute` and `subscribe`, which graphql-ws knows only for all operations together. */
type OperationArgs = ExecutionArgs & Pick<Enveloped, "execute" | "subscribe">;

/** Milliseconds that an end waits for the answer of the operation that caused it. */
const replyTimeout = 1_000;

export function socketHooks(options: OperationOptions): Hooks {
  return {
    connectionInitWaitTimeout: options.initTimeout,
    onConnect: (context) => connect(context, options),
    onSubscribe: (context, id, payload) => prepare(context, id, payload, options),
    execute: (args) => (args as OperationArgs).execute(args),
    subscribe: (args) => (args as OperationArgs).subscribe(args),
    onNext: (_context, _id, _payload, _args, result) => formatResult(result),
    onError: (_context, _id, _payload, errors) => errors.map(formatError),
    onComplete: ({ extra: socket }, id) => {
      // The answer was sent; `complete` still is to be, in this turn of the event loop.
      const replied = socket.onReplied.get(id);
      if (replied !== undefined) setImmediate(replied);
    },
  };
}

/** The payload of the acknowledgement, or false after closing the socket with a reason. */
async function connect(
  { connectionParams, extra: socket }: SocketContext,
  options: OperationOptions,
): Promise<Record<string, unknown> | false> {
  const { sessions, connections } = options;
  const reading = sessions.verify(tokenFromConnectionParams(connectionParams));
  if (!reading.ok) return refuse(socket, { ...reading, state: "refused" }, options);
  const { claims } = reading;
  socket.claims = claims;
  const admission = await inTime(
    connections.admit(claims, socket.life, () => sessions.check(claims)),
    options.admissionTimeout,
  );
  if (admission === undefined) return turnAway(socket, "TIMEOUT", closes.tryAgainLater, options);
  if (admission.state === "tooMany")
    return turnAway(socket, "TOO_MANY_CONNECTIONS", closes.tooManyConnections, options);
  if (admission.state !== "signedIn") return refuse(socket, admission, options);
  // Closed, or ended, while it was checked: then it is closing already.
  if (!socket.isOpen() || socket.life.ending !== undefined) return false;
  const { accessExpiresAt, fingerprint } = admission.session;
  return {
    sessionId: fingerprint,
    accessTokenExpiresAt: new Date(accessExpiresAt).toISOString(),
  };
}

function refuse(
  socket: Socket,
  authentication: Exclude<Authentication, { readonly state: "signedIn" }>,
  options: OperationOptions,
): false {
  socket.claims ??= authentication.claims;
  const reason = refusalOf(authentication) ?? "ENDED";
  return turnAway(socket, reason, closeForRefusal(authentication), options);
}

function turnAway(
  socket: Socket,
  reason: Refusal["reason"],
  close: Close,
  { noteRefusal }: OperationOptions,
): false {
  const { device, claims } = socket;
  noteRefusal({ transport: "socket", reason, device, claims });
  socket.close(close);
  return false;
}

/** What to execute, or the errors that answer the operation; the socket stays open in either case. */
async function prepare(
  { extra: socket, subscriptions }: SocketContext,
  id: string,
  payload: SubscribePayload,
  options: OperationOptions,
): Promise<OperationArgs | readonly GraphQLError[]> {
  const { life, claims } = socket;
  if (life.ending !== undefined) return [endingError(life.ending)];
  if (claims === undefined) return [unauthenticated("MISSING")];
  if (Object.keys(subscriptions).length > options.maxOperations)
    return [tooManyOperations(options.maxOperations)];
  try {
    const authentication = await options.sessions.checkAgain(claims);
    if (authentication.state === "unavailable") return [serviceUnavailable()];
    if (authentication.state === "refused") {
      life.end(authentication.reason === "EXPIRED" ? "EXPIRED" : "ENDED");
      return [unauthenticated(authentication.reason)];
    }
    const identify = () => callerOf(socket, id, authentication, options.noteRefusal);
    const enveloped: Enveloped = options.engine.getEnveloped({ identify, params: payload });
    return await compile(enveloped, payload);
  } catch (error) {
    const shown = maskError(error);
    if (shown !== error) options.onFault("an operation could not begin", error);
    return [shown];
  }
}

async function compile(
  enveloped: Enveloped,
  { query, operationName, variables }: SubscribePayload,
): Promise<OperationArgs | readonly GraphQLError[]> {
  const { schema } = enveloped;
  const document = enveloped.parse(query);
  const problems = enveloped.validate(schema, document);
  if (problems.length > 0) return problems;
  return {
    schema,
    document,
    contextValue: await enveloped.contextFactory(),
    operationName: operationName ?? null,
    variableValues: variables ?? null,
    execute: enveloped.execute,
    subscribe: enveloped.subscribe,
  };
}

function callerOf(
  socket: Socket,
  id: string,
  authentication: Authentication,
  noteRefusal: NoteRefusal,
): Caller {
  const { life, device } = socket;
  let held = false;
  return {
    authentication,
    device,
    life,
    enter: async () => ({ life, leave: () => {} }),
    holdForReply: () => {
      const release = () => {
        clearTimeout(timer);
        socket.onReplied.delete(id);
        life.release();
      };
      const timer = setTimeout(release, replyTimeout);
      socket.onReplied.set(id, release);
      life.hold();
      held = true;
    },
    isHeld: () => held,
    noteRefusal: (reason, claims) => noteRefusal({ transport: "socket", reason, device, claims }),
  };
}

/** Undefined when it takes longer; what comes later is nobody's, errors included. */
async function inTime<T>(promise: Promise<T>, time: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, time, undefined);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined where graphql-ws may send the result as it is. */
function formatResult({ errors, data, extensions }: Result): FormattedExecutionResult | undefined {
  if (errors === undefined) return undefined;
  return {
    ...(data !== undefined && { data }),
    errors: errors.map(formatError),
    ...(extensions !== undefined && { extensions }),
  };
}

/** Without what Yoga keeps in the extensions for its own HTTP answers. */
function formatError(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...rest } = error.toJSON();
  if (extensions === undefined) return rest;
  const { http: _http, unexpected: _unexpected, ...shown } = extensions;
  return { ...rest, extensions: shown };
}
