/** Who asks over HTTP: the caller of each request, and his place when he asks for something that lasts. */
import type { IncomingMessage } from "node:http";
import type { Caller, Entry } from "../graphql/context.ts";
import { serviceUnavailable, tooManyConnections, unauthenticated } from "../graphql/errors.ts";
import { Life } from "../session/life.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";
import type { Connections } from "./connections.ts";
import { deviceOf, tokenFromHeader } from "./credentials.ts";
import { refusalOf, type NoteRefusal, type Refusal } from "./refusals.ts";

export interface HttpOptions {
  readonly sessions: Sessions;
  readonly connections: Connections;
  readonly noteRefusal: NoteRefusal;
  readonly trustedProxies: number;
}

/** A token that does not serve makes the request anonymous, so that an old header never blocks `login`. */
export async function identifyRequest(
  request: IncomingMessage,
  options: HttpOptions,
): Promise<Caller> {
  const { sessions, trustedProxies } = options;
  const device = deviceOf(request, trustedProxies);
  const authentication = await sessions.authenticate(
    tokenFromHeader(request.headers.authorization),
  );
  const noted = new Set<Refusal["reason"]>();
  const note = (reason: Refusal["reason"], claims?: Claims) => {
    if (!noted.has(reason)) options.noteRefusal({ transport: "http", reason, device, claims });
    noted.add(reason);
  };
  const refusal = refusalOf(authentication);
  // Without a token it is worth a line only where one was needed.
  if (refusal !== undefined && refusal !== "MISSING") note(refusal, authentication.claims);
  const caller = { authentication, device, noteRefusal: note };
  if (authentication.state !== "signedIn") return caller;
  let held = false;
  return {
    ...caller,
    enter: () => enter(authentication.claims, options, note),
    holdForReply: () => (held = true),
    isHeld: () => held,
  };
}

async function enter(
  claims: Claims,
  { sessions, connections }: HttpOptions,
  note: (reason: Refusal["reason"], claims: Claims) => void,
): Promise<Entry> {
  const life = new Life();
  const leave = () => connections.leave(claims.fingerprint, life);
  // The generation was checked when the request came; a renewal since does not matter.
  const admission = await connections.admit(claims, life, () => sessions.checkAgain(claims));
  if (admission.state === "signedIn") return { life, leave };
  leave();
  if (admission.state === "tooMany") {
    note("TOO_MANY_CONNECTIONS", claims);
    return { error: tooManyConnections() };
  }
  if (admission.state === "unavailable") {
    note("STORE_UNAVAILABLE", claims);
    return { error: serviceUnavailable() };
  }
  note(admission.reason, claims);
  return { error: unauthenticated(admission.reason) };
}
