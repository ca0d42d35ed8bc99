/** Who asks over HTTP: the caller of each request, and how a request that lasts comes under its session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Caller, type Stay } from "../graphql/caller.ts";
import { Life } from "../session/life.ts";
import type { Sessions } from "../session/sessions.ts";
import { admit, type AdmissionOptions } from "./admission.ts";
import { deviceOf, tokenFromHeader } from "./credentials.ts";
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
}

/** A token that does not serve makes the request anonymous, so that an old header never blocks `login`. */
export async function identifyRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: RequestOptions,
): Promise<Caller> {
  const { sessions, noteRefusal, trustedProxies, places, stallTimeout } = options;
  const life = new Life(options.onFault);
  // With its answer, or without: either way nothing of it has a reader any more.
  response.once("close", () => life.end("LEFT"));
  const device = deviceOf(request, trustedProxies);
  const note = notesOf("http", device, noteRefusal);
  const authentication = await sessions.authenticate(
    tokenFromHeader(request.headers.authorization),
  );
  const refusal = refusalOf(authentication);
  // Without a token it is worth a line only where one was needed.
  if (refusal !== undefined && refusal !== "MISSING") note(refusal, authentication.claims);
  /** Whether it may last. */
  const settle = (stay: Stay): boolean => {
    if (stay !== "stream") return true;
    response.setTimeout(stallTimeout);
    if (places.take(device.ipAddress, life)) {
      life.onEnd(() => places.leave(device.ipAddress, life));
      return true;
    }
    note("TOO_MANY_CONNECTIONS", authentication.claims);
    life.end("TOO_MANY");
    return false;
  };
  const caller = { authentication, device, life, noteRefusal: note };
  if (authentication.state !== "signedIn") {
    const shelter = async (stay: Stay) => {
      if (settle(stay) && stay === "stream") options.connections.shelter(life);
    };
    return new Caller({ ...caller, join: shelter });
  }
  const { claims } = authentication;
  // The generation was checked when the request came; a renewal since does not matter.
  const check = () => sessions.checkAgain(claims);
  const join = async (stay: Stay) => {
    if (settle(stay)) await admit({ claims, life, check, note, stay }, options);
  };
  return new Caller({ ...caller, join });
}
