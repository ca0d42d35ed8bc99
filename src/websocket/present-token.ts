/** Accepts a newer access token in the payload of a ping: it extends the socket's deadline. */
import type { ReportError } from "../lib/report-error.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";
import { closeReasonFor } from "../connections/admit.ts";
import type { Connections } from "../connections/connections.ts";
import { tokenFromHeader } from "../protocol/connection-init.ts";
import type { Connection } from "../connections/session-connections.ts";
import { refusalOf, type LogRefusal } from "../connections/refusals.ts";

/** A connection on which a client can present further tokens after the first one. */
export interface RenewableConnection extends Connection {
  /** Claims of the newest token presented on it. Set at the acknowledgement. */
  claims: Claims | undefined;
  /** Store reads for presented tokens in the current window. Undefined on most connections. */
  tokenChecks: { count: number; readonly windowEndsAt: number } | undefined;
  /** Logs each reason once. */
  logRefusal(...args: Parameters<LogRefusal>): void;
}

export interface PresentOptions {
  readonly sessions: Sessions;
  readonly connections: Connections;
  readonly reportError: ReportError;
}

/** Payload of the `pong`. */
export interface TokenExpiry {
  /** When the socket closes unless a newer token is presented (ISO 8601). */
  readonly accessTokenExpiresAt: string;
}

/** Rate limit on the store reads that one socket's pings cause; the window is in milliseconds. */
const rateLimit = { count: 10, window: 60_000 } as const;

/**
 * Accepts the token of a ping, with or without `Bearer`. Resolves to undefined if the token is ignored: before the
 * acknowledgement, if it is no access token of this server, or when the rate limit is reached.
 *
 * A token of another session closes the socket. So does the end of the socket's own session, if the check finds it.
 */
export async function presentToken(
  socket: RenewableConnection,
  token: unknown,
  options: PresentOptions,
): Promise<TokenExpiry | undefined> {
  const { claims: current, lifecycle } = socket;
  if (current === undefined || lifecycle.closingFor !== undefined) return undefined;
  const { ok, claims } = options.sessions.verify(tokenFromHeader(token));
  if (claims === undefined || claims.kind !== "access") return undefined;
  if (claims.fingerprint !== current.fingerprint) {
    socket.logRefusal("OTHER_SESSION", claims);
    lifecycle.end("UNAUTHENTICATED");
    return undefined;
  }
  if (ok && isNewer(claims, socket)) {
    if (!isWithinRateLimit(socket)) return undefined;
    await checkPresentedToken(socket, claims, options);
    if (lifecycle.closingFor !== undefined) return undefined;
  }
  return { accessTokenExpiresAt: new Date(socket.expiresAt).toISOString() };
}

/** Applies an accepted token to the socket. */
export function applyToken(
  socket: RenewableConnection,
  claims: Pick<Claims, "fingerprint" | "generation" | "expiresAt">,
  { connections }: Pick<PresentOptions, "connections">,
): void {
  const { claims: current } = socket;
  if (current?.fingerprint !== claims.fingerprint) return;
  connections.presentToken(socket, claims);
  const { generation, expiresAt } = claims;
  if (generation > current.generation) socket.claims = { ...current, generation, expiresAt };
}

/** Whether the token could change anything: otherwise the store is not read. */
function isNewer({ generation, expiresAt }: Claims, socket: RenewableConnection): boolean {
  if (generation === socket.generation) return expiresAt > socket.expiresAt;
  return generation > socket.generation;
}

function isWithinRateLimit(socket: RenewableConnection): boolean {
  const now = performance.now();
  const { tokenChecks } = socket;
  if (tokenChecks === undefined || now >= tokenChecks.windowEndsAt)
    socket.tokenChecks = { count: 1, windowEndsAt: now + rateLimit.window };
  else if (tokenChecks.count >= rateLimit.count) return false;
  else tokenChecks.count += 1;
  return true;
}

async function checkPresentedToken(
  socket: RenewableConnection,
  claims: Claims,
  { sessions, connections, reportError }: PresentOptions,
): Promise<void> {
  try {
    const authentication = await sessions.check(claims);
    const refusal = refusalOf(authentication);
    if (refusal !== undefined) socket.logRefusal(refusal, claims);
    if (authentication.state === "signedIn") applyToken(socket, claims, { connections });
    // A token that is superseded, or cannot be checked now, changes nothing.
    else if (
      authentication.state === "refused" &&
      closeReasonFor(authentication.reason) === "SESSION_ENDED"
    )
      socket.lifecycle.end("SESSION_ENDED");
  } catch (error) {
    reportError("a token that was presented on a socket could not be checked", error);
  }
}
