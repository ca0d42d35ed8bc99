/** Who asks over HTTP: the caller of each request, and how a request that lasts comes under its session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Caller, type Stay } from "../graphql/caller.ts";
import { Life } from "../session/life.ts";
import type { Device } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { admit, type AdmissionOptions } from "./admission.ts";
import { deviceOf, tokenFromHeader } from "./credentials.ts";
import { newMember } from "./group.ts";
import { noMeter, type Meter } from "./meter.ts";
import type { Places } from "./places.ts";
import { notesOf, refusalOf, type NoteRefusal } from "./refusals.ts";

export interface RequestOptions extends AdmissionOptions {
  readonly sessions: Sessions;
  readonly noteRefusal: NoteRefusal;
  readonly trustedProxies: number;
  /** For streams, and for all sockets. */
  readonly places: Places;
  /** Milliseconds after which a stream is cut of which its client takes nothing. */
  readonly stallTimeout: number;
  readonly meter?: Meter;
}

/** A request, as far as it matters who asks. */
export interface Visit {
  readonly authorization: unknown;
  readonly device: Device;
  /** Calls back when it was answered, or its client left. */
  readonly onLeave: (callback: () => void) => void;
  /** Called when its answer is going to last. */
  readonly onLast?: () => void;
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
    device: deviceOf(request, options.trustedProxies),
    // With its answer, or without: either way nothing of it has a reader any more.
    onLeave: (callback: () => void) => {
      // Plugins take their time before it is asked who is there.
      if (response.closed) callback();
      else response.once("close", callback);
    },
    onLast: () => response.setTimeout(options.stallTimeout),
  };
  return identifyVisit(visit, options);
}

/** A token that does not serve makes the request anonymous, so that an old header never blocks `login`. */
export async function identifyVisit(visit: Visit, options: RequestOptions): Promise<Caller> {
  const { sessions, noteRefusal, places, meter = noMeter } = options;
  const { device, onDone } = visit;
  const life = new Life(options.onFault);
  visit.onLeave(() => life.end("LEFT"));
  const note = notesOf("http", device, noteRefusal);
  const authentication = await sessions.authenticate(tokenFromHeader(visit.authorization));
  const refusal = refusalOf(authentication);
  // Without a token it is worth a line only where one was needed.
  if (refusal !== undefined && refusal !== "MISSING") note(refusal, authentication.claims);
  /** Whether it may last. */
  const settle = (stay: Stay): boolean => {
    if (stay !== "stream") return true;
    visit.onLast?.();
    meter.opened("stream");
    life.onEnd((ending) => meter.ended("stream", ending));
    if (places.take(device.ipAddress, life)) {
      life.onEnd(() => places.leave(device.ipAddress, life));
      return true;
    }
    note("TOO_MANY_CONNECTIONS", authentication.claims);
    life.end("TOO_MANY");
    return false;
  };
  const caller = {
    authentication,
    device,
    life,
    ledger: options.ledger,
    isRequest: true,
    noteRefusal: note,
    ...(onDone && { onDone }),
  };
  if (authentication.state !== "signedIn") {
    const shelter = async (stay: Stay) => {
      if (settle(stay) && stay === "stream") options.connections.shelter(life);
    };
    return new Caller({ ...caller, join: shelter });
  }
  const { claims } = authentication;
  // The generation was checked when the request came; a renewal since does not matter.
  const check = () => sessions.checkAgain(claims);
  const member = newMember(life, device);
  const join = async (stay: Stay) => {
    if (settle(stay)) await admit({ claims, member, check, note, stay }, options);
  };
  return new Caller({ ...caller, join });
}
