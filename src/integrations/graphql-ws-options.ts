/** Options for the graphql-ws server of an app: its sockets are authenticated by Curfew and end with their sessions. */
import type { IncomingMessage } from "node:http";
import { GraphQLError } from "graphql";
import { CloseCode, type Context, type ServerOptions } from "graphql-ws";
import { closeTimeout, ConnectionLifecycle } from "../connections/lifecycle.ts";
import { closes } from "../protocol/close-reasons.ts";
import { deviceOf } from "../request/client-info.ts";
import { idTooLong, isLongId } from "../websocket/messages.ts";
import { noObserver, type ConnectionObserver } from "../connections/observer.ts";
import { socketHooks, type OperationOptions, type Socket } from "../websocket/graphql-ws-hooks.ts";
import type { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { refusalLogger, type RecordRefusal } from "../connections/refusals.ts";
import { presentToken } from "../websocket/present-token.ts";

/** The `extra` of `graphql-ws/use/ws` and of similar adapters. */
export interface SocketExtra {
  readonly socket: {
    close(code: number, reason: string): unknown;
    terminate?(): unknown;
  };
  readonly request: IncomingMessage;
}

export interface SocketsOptions extends OperationOptions {
  readonly noteRefusal: RecordRefusal;
  readonly trustProxy: number;
  readonly places: ConnectionLimiter;
  readonly observer?: ConnectionObserver;
  /** How long a new socket may take to send `connection_init` (ms); the client may renew its session first. */
  readonly initTimeout: number;
  /** Whether new sockets are refused because the node shuts down. */
  readonly isClosing: () => boolean;
}

type SocketContext<Extra> = Context<Record<string, unknown>, Extra>;

export function socketOptions(
  options: SocketsOptions,
): ServerOptions<Record<string, unknown>, SocketExtra> {
  const hooks = socketHooks(options);
  const sockets = new WeakMap<SocketExtra, Socket>();
  const withSocket = (context: SocketContext<SocketExtra>): SocketContext<Socket> => {
    const { extra } = context;
    const socket = sockets.get(extra) ?? open(extra, context, options);
    sockets.set(extra, socket);
    return { ...context, extra: socket };
  };
  return {
    connectionInitWaitTimeout: options.initTimeout,
    onConnect: async (context) => {
      const socketContext = withSocket(context);
      // It has ended already if a connection limit is reached or the node shuts down.
      const { lifecycle } = socketContext.extra;
      return lifecycle.closeReason === undefined && hooks.onConnect(socketContext);
    },
    onSubscribe: (context, id, payload) => {
      if (!isLongId(id)) return hooks.onSubscribe(withSocket(context), id, payload);
      context.extra.socket.close(CloseCode.BadRequest, idTooLong);
      return [new GraphQLError(idTooLong)];
    },
    execute: hooks.execute,
    subscribe: hooks.subscribe,
    onOperation: (context, id, payload, args, result) =>
      hooks.onOperation(withSocket(context), id, payload, args, result),
    onNext: (context, id, payload, args, result) =>
      hooks.onNext(withSocket(context), id, payload, args, result),
    onError: (context, id, payload, errors) =>
      hooks.onError(withSocket(context), id, payload, errors),
    // graphql-ws sends the payload back after this: it must not echo the token.
    onPing: async ({ extra }, payload) => {
      if (payload === undefined || !Object.hasOwn(payload, "token")) return;
      const { token } = payload;
      delete payload["token"];
      delete payload["accessTokenExpiresAt"];
      const socket = sockets.get(extra);
      if (socket !== undefined) Object.assign(payload, await presentToken(socket, token, options));
    },
    onComplete: (context, id, payload) => hooks.onComplete(withSocket(context), id, payload),
    onClose: ({ extra }) => sockets.get(extra)?.lifecycle.end("CLIENT_GONE"),
  };
}

function open(
  { socket: ws, request }: SocketExtra,
  context: object,
  {
    trustProxy,
    noteRefusal,
    places,
    isClosing,
    reportError,
    observer = noObserver,
  }: SocketsOptions,
): Socket {
  const device = deviceOf(request, trustProxy);
  const lifecycle = new ConnectionLifecycle(reportError);
  observer.opened("socket");
  lifecycle.onEnd((reason) => {
    observer.ended("socket", reason);
    places.release(device.ipAddress, lifecycle);
    if (reason === "CLIENT_GONE") return;
    ws.close(closes[reason].code, closes[reason].reason);
    setTimeout(() => ws.terminate?.(), closeTimeout).unref();
  });
  const socket: Socket = {
    device,
    lifecycle,
    logRefusal: refusalLogger("socket", device, noteRefusal),
    // Here graphql-ws has its own timer, and unauthenticated sockets are not limited separately.
    onInit: () => {},
    onAdmitted: () => {},
    generation: 0,
    expiresAt: 0,
    claims: undefined,
    userId: undefined,
    tokenChecks: undefined,
    operations: 0,
    // As in Yoga's recipe for graphql-ws.
    initialContext: { ...context, req: request, socket: ws },
  };
  if (isClosing()) lifecycle.end("SERVICE_RESTART");
  else if (!places.acquire(device.ipAddress, lifecycle)) {
    socket.logRefusal("TOO_MANY_CONNECTIONS");
    lifecycle.end("TOO_MANY_CONNECTIONS");
  }
  return socket;
}
