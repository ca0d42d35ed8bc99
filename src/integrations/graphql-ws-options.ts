/** graphql-ws's options by which sockets of an app's own server live and end with their sessions. */
import type { IncomingMessage } from "node:http";
import { GraphQLError } from "graphql";
import { CloseCode, type Context, type ServerOptions } from "graphql-ws";
import { ConnectionLifecycle } from "../connections/lifecycle.ts";
import { closes } from "../protocol/close-reasons.ts";
import { closeTimeout } from "../connections/lifecycle.ts";
import { deviceOf } from "../request/client-info.ts";
import { idTooLong, isLongId } from "../websocket/messages.ts";
import { noObserver, type ConnectionObserver } from "../connections/observer.ts";
import { socketHooks, type OperationOptions, type Socket } from "../websocket/graphql-ws-hooks.ts";
import type { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { refusalLogger, type RecordRefusal } from "../connections/refusals.ts";
import { showToken } from "../websocket/show-token.ts";

/** What `graphql-ws/use/ws`, and others like it, keep of a socket. */
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
  /** Milliseconds from the opening of a socket to its `connection_init`, which may wait for a renewal. */
  readonly initTimeout: number;
  /** Whether no more are let in. */
  readonly isClosing: () => boolean;
}

type Connection<Extra> = Context<Record<string, unknown>, Extra>;

export function socketOptions(
  options: SocketsOptions,
): ServerOptions<Record<string, unknown>, SocketExtra> {
  const hooks = socketHooks(options);
  const sockets = new WeakMap<SocketExtra, Socket>();
  const inside = (context: Connection<SocketExtra>): Connection<Socket> => {
    const { extra } = context;
    const socket = sockets.get(extra) ?? open(extra, context, options);
    sockets.set(extra, socket);
    return { ...context, extra: socket };
  };
  return {
    connectionInitWaitTimeout: options.initTimeout,
    onConnect: async (context) => {
      const connection = inside(context);
      // An app's own that has no more room, or is closing.
      return connection.extra.lifecycle.closeReason === undefined && hooks.onConnect(connection);
    },
    onSubscribe: (context, id, payload) => {
      if (!isLongId(id)) return hooks.onSubscribe(inside(context), id, payload);
      context.extra.socket.close(CloseCode.BadRequest, idTooLong);
      return [new GraphQLError(idTooLong)];
    },
    execute: hooks.execute,
    subscribe: hooks.subscribe,
    onOperation: (context, id, payload, args, result) =>
      hooks.onOperation(inside(context), id, payload, args, result),
    onNext: (context, id, payload, args, result) =>
      hooks.onNext(inside(context), id, payload, args, result),
    onError: (context, id, payload, errors) => hooks.onError(inside(context), id, payload, errors),
    // graphql-ws sends the payload back when this has resolved.
    onPing: async ({ extra }, payload) => {
      if (payload === undefined || !Object.hasOwn(payload, "token")) return;
      const { token } = payload;
      delete payload["token"];
      delete payload["accessTokenExpiresAt"];
      const socket = sockets.get(extra);
      if (socket !== undefined) Object.assign(payload, await showToken(socket, token, options));
    },
    onComplete: (context, id, payload) => hooks.onComplete(inside(context), id, payload),
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
  lifecycle.onEnd((ending) => {
    observer.ended("socket", ending);
    places.release(device.ipAddress, lifecycle);
    if (ending === "CLIENT_GONE") return;
    ws.close(closes[ending].code, closes[ending].reason);
    setTimeout(() => ws.terminate?.(), closeTimeout).unref();
  });
  const socket: Socket = {
    device,
    lifecycle,
    note: refusalLogger("socket", device, noteRefusal),
    // graphql-ws has a timer of its own here, and no room is kept for those not signed in.
    onInit: () => {},
    onAdmitted: () => {},
    generation: 0,
    expiresAt: 0,
    claims: undefined,
    userId: undefined,
    asked: undefined,
    operations: 0,
    onReplied: undefined,
    // As Yoga's own recipe has it.
    initialContext: { ...context, req: request, socket: ws },
  };
  if (isClosing()) lifecycle.end("SERVICE_RESTART");
  else if (!places.acquire(device.ipAddress, lifecycle)) {
    socket.note("TOO_MANY_CONNECTIONS");
    lifecycle.end("TOO_MANY_CONNECTIONS");
  }
  return socket;
}
