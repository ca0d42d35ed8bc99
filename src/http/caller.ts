/** Who asks over HTTP: the caller of each request, and how a request that lasts comes under its session. */
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
  /** For streams, and for all sockets. */
  readonly places: ConnectionLimiter;
  /** Milliseconds after which a stream is cut of which its client takes nothing. */
  readonly stallTimeout: number;
  readonly observer?: ConnectionObserver;
}

/** A request, as far as it matters who asks. */
export interface HttpCaller {
  readonly authorization: unknown;
  readonly device: Device;
  /** Calls back when it was answered, or its client left. */
  readonly onLeave: (callback: () => void) => void;
  /** Called when its answer is going to last. */
  readonly onStreaming?: () => void;
  /** Called once when it was executed, or its stream is closed. */
  readonly onDone?: () => void;
}

/** One over Node's HTTP: its client is gone when the response is closed. */
export function identifyRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: RequestOptions,
): Promise<Caller> {
  const visit = {
    authorization: request.headers.authorization,
    device: deviceOf(request, options.trustProxy),
    // With its answer, or without: either way nothing of it has a reader any more.
    onLeave: (callback: () => void) => {
      // Plugins take their time before it is asked who is there.
      if (response.closed) callback();
      else response.once("close", callback);
    },
    onLast: () => response.setTimeout(options.stallTimeout),
  };
  return identifyHttpCaller(visit, options);
}

/** A token that does not serve makes the request anonymous, so that an old header never blocks `login`. */
export async function identifyHttpCaller(
  visit: HttpCaller,
  options: RequestOptions,
): Promise<Caller> {
  const { sessions, noteRefusal, places, observer = noObserver } = options;
  const { device, onDone } = visit;
  const lifecycle = new ConnectionLifecycle(options.reportError);
  visit.onLeave(() => lifecycle.end("CLIENT_GONE"));
  const note = refusalLogger("http", device, noteRefusal);
  const authentication = await sessions.authenticate(tokenFromHeader(visit.authorization));
  const refusal = refusalOf(authentication);
  // Without a token it is worth a line only where one was needed.
  if (refusal !== undefined && refusal !== "MISSING") note(refusal, authentication.claims);
  /** Whether it may last. */
  const settle = (stay: ConnectionKind): boolean => {
    if (stay !== "stream") return true;
    visit.onStreaming?.();
    observer.opened("stream");
    lifecycle.onEnd((ending) => observer.ended("stream", ending));
    if (places.acquire(device.ipAddress, lifecycle)) {
      lifecycle.onEnd(() => places.release(device.ipAddress, lifecycle));
      return true;
    }
    note("TOO_MANY_CONNECTIONS", authentication.claims);
    lifecycle.end("TOO_MANY_CONNECTIONS");
    return false;
  };
  const caller = {
    authentication,
    device,
    lifecycle,
    ledger: options.ledger,
    isRequest: true,
    noteRefusal: note,
    ...(onDone && { onDone }),
  };
  if (authentication.state !== "signedIn") {
    const shelter = async (stay: ConnectionKind) => {
      if (settle(stay) && stay === "stream") options.connections.trackAnonymous(lifecycle);
    };
    return new Caller({ ...caller, join: shelter });
  }
  const { claims } = authentication;
  // The generation was checked when the request came; a renewal since does not matter.
  const check = () => sessions.checkAgain(claims);
  const member = newConnection(lifecycle, device);
  const join = async (stay: ConnectionKind) => {
    if (settle(stay))
      await admit({ claims, connection: member, check, logRefusal: note, kind: stay }, options);
  };
  return new Caller({ ...caller, join });
}
