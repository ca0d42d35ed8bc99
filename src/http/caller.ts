/** Identifies the caller of each HTTP request, and puts long requests under their session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectionKind } from "../connections/connection-kind.ts";
import { Caller } from "../graphql/caller.ts";
import { ConnectionLifecycle } from "../connections/lifecycle.ts";
import type { Device } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { admit, type AdmissionOptions } from "../connections/admit.ts";
import { deviceOf } from "../request/client-info.ts";
import { tokenFromHeader } from "../protocol/connection-init.ts";
import { newConnection } from "../connections/session-connections.ts";
import { noObserver, type ConnectionObserver } from "../connections/observer.ts";
import type { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { refusalLogger, refusalOf, type RecordRefusal } from "../connections/refusals.ts";

export interface RequestOptions extends AdmissionOptions {
  readonly sessions: Sessions;
  readonly noteRefusal: RecordRefusal;
  readonly trustProxy: number;
  /** Limits all sockets and streams together. */
  readonly places: ConnectionLimiter;
  /** How long a stream may have unread bytes of which the client reads none, before it is closed (ms). */
  readonly stallTimeout: number;
  readonly observer?: ConnectionObserver;
}

/** The parts of a request that identify its caller. */
export interface HttpCaller {
  readonly authorization: unknown;
  readonly device: Device;
  /** Registers a callback for when the request is answered or its client leaves. */
  readonly onLeave: (callback: () => void) => void;
  /** Called when the response becomes a stream. */
  readonly onStreaming?: () => void;
  /** Called once, when the operation is executed or its stream is closed. */
  readonly onDone?: () => void;
}

/** Identifies the caller of a request over Node's HTTP. */
export function identifyRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: RequestOptions,
): Promise<Caller> {
  const httpCaller = {
    authorization: request.headers.authorization,
    device: deviceOf(request, options.trustProxy),
    // Answered or not: after "close", the response has no reader any more.
    onLeave: (callback: () => void) => {
      // Plugins may take their time before the caller is identified.
      if (response.closed) callback();
      else response.once("close", callback);
    },
    onStreaming: () => response.setTimeout(options.stallTimeout),
  };
  return identifyHttpCaller(httpCaller, options);
}

/** A refused token makes the request anonymous, so that an old header never blocks `login`. */
export async function identifyHttpCaller(
  { authorization, device, onLeave, onStreaming, onDone }: HttpCaller,
  options: RequestOptions,
): Promise<Caller> {
  const { sessions, connections, noteRefusal, places, observer = noObserver } = options;
  const lifecycle = new ConnectionLifecycle(options.reportError);
  onLeave(() => lifecycle.end("CLIENT_GONE"));
  const logRefusal = refusalLogger("http", device, noteRefusal);
  const authentication = await sessions.authenticate(tokenFromHeader(authorization));
  const { claims } = authentication;
  const refusal = refusalOf(authentication);
  // A missing token is logged only if an operation needs one.
  if (refusal !== undefined && refusal !== "MISSING") logRefusal(refusal, claims);
  /** Counts the stream. Returns false, and ends it, when a connection limit is reached. */
  const openStream = (): boolean => {
    onStreaming?.();
    observer.opened("stream");
    lifecycle.onEnd((reason) => observer.ended("stream", reason));
    if (places.acquire(device.ipAddress, lifecycle)) {
      lifecycle.onEnd(() => places.release(device.ipAddress, lifecycle));
      return true;
    }
    logRefusal("TOO_MANY_CONNECTIONS", claims);
    lifecycle.end("TOO_MANY_CONNECTIONS");
    return false;
  };
  const connection = newConnection(lifecycle, device);
  const join = async (kind: ConnectionKind) => {
    if (kind === "stream" && !openStream()) return;
    if (authentication.state === "signedIn")
      await admit(
        { claims: authentication.claims, connection, kind, isAuthenticated: true, logRefusal },
        options,
      );
    else if (kind === "stream") connections.trackAnonymous(lifecycle);
  };
  return new Caller({
    authentication,
    device,
    lifecycle,
    ledger: options.ledger,
    isRequest: true,
    ...(claims && { readEndReason: () => sessions.endReason(claims.fingerprint) }),
    noteRefusal: logRefusal,
    ...(onDone && { onDone }),
    join,
  });
}
