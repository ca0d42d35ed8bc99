/** The top-level errors of GraphQL: what a protected field answers without a session, and what hides the unexpected. */
import { GraphQLError, type ASTNode } from "graphql";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ErrorCode } from "../protocol/error-codes.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import { StoreUnavailable } from "../session/store.ts";
import { StreamOverflow } from "../lib/bounded-queue.ts";

const refusals = {
  MISSING: "Sign in first: no access token came with the request.",
  MALFORMED: "The access token is not one of this server's tokens; check that it was copied whole.",
  BAD_SIGNATURE: "No key of this server signed the access token; sign in again.",
  WRONG_KIND: "A renewal token was sent where the access token belongs.",
  EXPIRED: "The access token has expired; renew it.",
  SUPERSEDED: "The session was renewed since; use its newer tokens.",
  ENDED: "The session has ended; sign in again.",
  REUSED: "The renewal token was used before, so the session was ended; sign in again.",
  USER_GONE: "The user was deleted or locked.",
} as const satisfies Record<RefusalReason, string>;

export function refusalMessage(reason: RefusalReason): string {
  return refusals[reason];
}

/**
 * Needs a session and has none; `extensions.reason` says why.
 *
 * @param begun whether the operation had begun under a live session: a part of it may have been executed, so that
 * clients must not send it again. `extensions.begun` says so.
 */
export function unauthenticated(reason: RefusalReason, begun = false): GraphQLError {
  return new GraphQLError(refusals[reason], {
    extensions: {
      code: "UNAUTHENTICATED" satisfies ErrorCode,
      reason,
      ...(begun && { begun }),
    },
  });
}

/** The store did not answer: nobody knows whether there is a session. Trying again later may help. */
export function serviceUnavailable(): GraphQLError {
  const message = "The service cannot check sessions right now; try again later.";
  return coded("SERVICE_UNAVAILABLE", message);
}

/** The password was changed, and then the store did not answer. The caller's tokens may be refused from now on. */
export function passwordChangedSessionsRemain(): GraphQLError {
  const message =
    "The password is changed, but other sessions may be left: sign in with the new password and call endOtherSessions.";
  return coded("SERVICE_UNAVAILABLE", message);
}

export function tooManyOperations(limit: number): GraphQLError {
  const message = `At most ${limit} operations may run on one socket; end another first.`;
  return coded("TOO_MANY_REQUESTS", message);
}

/** What the operation would keep is too much, or what others of the session, user or address keep already. */
export function tooMuchMemory(): GraphQLError {
  const message =
    "The operations of this session, user or address keep too much memory; send less, or end others first.";
  return coded("TOO_MANY_REQUESTS", message);
}

/** The document is over a limit; the message says over which, and by how much. */
export function tooComplex(message: string, node?: ASTNode): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: "QUERY_TOO_COMPLEX" satisfies ErrorCode },
    nodes: node ?? null,
  });
}

const endings = {
  UNAUTHENTICATED: () => unauthenticated("MISSING"),
  SESSION_ENDED: (begun) => unauthenticated("ENDED", begun),
  SESSION_EXPIRED: (begun) => unauthenticated("EXPIRED", begun),
  TRY_AGAIN_LATER: serviceUnavailable,
  TOO_MANY_CONNECTIONS: () =>
    coded("TOO_MANY_CONNECTIONS", "The session, or the address, has too many connections."),
  SERVICE_RESTART: () => coded("SERVICE_RESTART", "The server is restarting; connect again."),
  CLIENT_GONE: () => coded("LEFT", "The client has left."),
} as const satisfies Record<CloseReason, (begun: boolean) => GraphQLError>;

/** What an operation answers that was stopped by such an ending. */
export function endingError(ending: CloseReason, begun = false): GraphQLError {
  return endings[ending](begun);
}

/** What a client may see of an error: expected ones as they are, all others as a bare message. */
export function maskError(error: unknown): GraphQLError {
  const cause = originalError(error);
  if (cause instanceof GraphQLError) return error instanceof GraphQLError ? error : cause;
  return inPlaceOf(error, own(cause) ?? coded("INTERNAL_SERVER_ERROR", "Unexpected error."));
}

/** For apps that mask errors by themselves: Curfew's own failures in words, all others as they are. */
export function nameError(error: unknown): unknown {
  const named = own(originalError(error));
  return named === undefined ? error : inPlaceOf(error, named);
}

function inPlaceOf(error: unknown, shown: GraphQLError): GraphQLError {
  if (!(error instanceof GraphQLError)) return shown;
  const { nodes, source, positions, path } = error;
  return new GraphQLError(shown.message, {
    nodes: nodes ?? null,
    source,
    positions,
    path,
    extensions: shown.extensions,
  });
}

/** What was thrown in the first place, without the GraphQL error (and the query text) around it. */
export function originalError(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError !== undefined
    ? originalError(error.originalError)
    : error;
}

function own(cause: unknown): GraphQLError | undefined {
  if (cause instanceof StoreUnavailable) return serviceUnavailable();
  if (cause instanceof StreamOverflow)
    return coded("TOO_SLOW", "Events came faster than they were read.");
  return undefined;
}

function coded(code: ErrorCode, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}
