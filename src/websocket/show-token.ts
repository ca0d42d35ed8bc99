/** A newer token that a client shows on its open socket, in the payload of a ping: it moves the socket's deadline. */
import type { ReportError } from "../lib/report-error.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";
import { closeReasonFor } from "../connections/admit.ts";
import type { Connections } from "../connections/connections.ts";
import { tokenFromHeader } from "../protocol/connection-init.ts";
import type { Connection } from "../connections/session-connections.ts";
import { refusalOf, type LogRefusal } from "../connections/refusals.ts";

/** A connection on which a client can show a token after the first one. */
export interface Showing extends Connection {
  /** Of the newest token shown on it. Set when it is acknowledged. */
  claims: Claims | undefined;
  /** How often the store was asked about tokens shown on it, and until when that counts. Few have any. */
  asked: { times: number; readonly until: number } | undefined;
  /** Logs each reason once. */
  note(...what: Parameters<LogRefusal>): void;
}

export interface ShowOptions {
  readonly sessions: Sessions;
  readonly connections: Connections;
  readonly reportError: ReportError;
}

/** What the `pong` carries. */
export interface Shown {
  /** Until when the socket lives, by what was shown on it. */
  readonly accessTokenExpiresAt: string;
}

/** How often one socket may have the store asked by pings: so many times in so many milliseconds. */
const limit = { times: 10, window: 60_000 } as const;

/**
 * Takes the token of a ping, with or without `Bearer`. Resolves to undefined where it is not understood: before
 * the acknowledgement, where it is no access token of this server, or too often.
 *
 * A token of another session closes the socket, and so does the end of its own session where that is found out.
 */
export async function showToken(
  socket: Showing,
  token: unknown,
  options: ShowOptions,
): Promise<Shown | undefined> {
  const { claims: own, lifecycle } = socket;
  if (own === undefined || lifecycle.closingFor !== undefined) return undefined;
  const { ok, claims } = options.sessions.verify(tokenFromHeader(token));
  if (claims === undefined || claims.kind !== "access") return undefined;
  if (claims.fingerprint !== own.fingerprint) {
    socket.note("OTHER_SESSION", claims);
    lifecycle.end("UNAUTHENTICATED");
    return undefined;
  }
  if (ok && isNewer(claims, socket)) {
    if (!mayAsk(socket)) return undefined;
    await take(socket, claims, options);
    if (lifecycle.closingFor !== undefined) return undefined;
  }
  return { accessTokenExpiresAt: new Date(socket.expiresAt).toISOString() };
}

/** Records on the socket that its client has that token, which is accepted. */
export function acceptToken(
  socket: Showing,
  claims: Pick<Claims, "fingerprint" | "generation" | "expiresAt">,
  { connections }: Pick<ShowOptions, "connections">,
): void {
  const { claims: own } = socket;
  if (own?.fingerprint !== claims.fingerprint) return;
  connections.show(socket, claims);
  const { generation, expiresAt } = claims;
  if (generation > own.generation) socket.claims = { ...own, generation, expiresAt };
}

/** Whether it could move anything: one that was shown before costs no question. */
function isNewer({ generation, expiresAt }: Claims, socket: Showing): boolean {
  if (generation === socket.generation) return expiresAt > socket.expiresAt;
  return generation > socket.generation;
}

function mayAsk(socket: Showing): boolean {
  const now = performance.now();
  const { asked } = socket;
  if (asked === undefined || now >= asked.until)
    socket.asked = { times: 1, until: now + limit.window };
  else if (asked.times >= limit.times) return false;
  else asked.times += 1;
  return true;
}

async function take(
  socket: Showing,
  claims: Claims,
  { sessions, connections, reportError }: ShowOptions,
): Promise<void> {
  try {
    const authentication = await sessions.check(claims);
    const refusal = refusalOf(authentication);
    if (refusal !== undefined) socket.note(refusal, claims);
    if (authentication.state === "signedIn") acceptToken(socket, claims, { connections });
    // One that was superseded since moves nothing; nor does one that cannot be checked now.
    else if (
      authentication.state === "refused" &&
      closeReasonFor(authentication.reason) === "SESSION_ENDED"
    )
      socket.lifecycle.end("SESSION_ENDED");
  } catch (error) {
    reportError("a token that was shown on a socket could not be checked", error);
  }
}
