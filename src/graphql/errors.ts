/** The GraphQL errors of Curfew, with their codes, and the masking of unexpected errors. */
import { GraphQLError, type ASTNode } from "graphql";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { ErrorCode } from "../protocol/error-codes.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import { StoreUnavailable } from "../session/store.ts";
import { StreamOverflow } from "../lib/bounded-queue.ts";

const refusals = {
  MISSING: "Sign in first: the request has no access token.",
  MALFORMED: "The access token is not a token of this server; check that it was copied completely.",
  BAD_SIGNATURE: "No key of this server signed the access token; sign in again.",
  WRONG_KIND: "A renewal token was sent instead of an access token.",
  EXPIRED: "The access token has expired; renew it.",
  SUPERSEDED: "The session has been renewed; use its newer tokens.",
  ENDED: "The session has ended; sign in again.",
  REUSED: "The renewal token was used before, so the session was ended; sign in again.",
  USER_GONE: "The user was deleted or locked.",
} as const satisfies Record<RefusalReason, string>;

/** Describes a refusal to the client. */
export function refusalMessage(reason: RefusalReason): string {
  return refusals[reason];
}

/** Details of an error at the end of a session or an operation. */
export interface EndDetails {
  /**
   * Whether the operation began under a live session. A part of it may have run, so clients must not send it again;
   * `extensions.begun` reports it. Default: false
   */
  readonly begun?: boolean;
  /** Why the session ended, as `extensions.endReason`. */
  readonly endReason?: EndReason | undefined;
}

/** The field needs a session and the caller has none. `extensions.reason` is the refusal reason. */
export function unauthenticated(
  reason: RefusalReason,
  { begun = false, endReason }: EndDetails = {},
): GraphQLError {
  return new GraphQLError(refusals[reason], {
    extensions: {
      code: "UNAUTHENTICATED" satisfies ErrorCode,
      reason,
      ...(endReason && { endReason }),
      ...(begun && { begun }),
    },
  });
}

/** The store did not answer, so it is unknown whether the caller has a session. The client may retry later. */
export function serviceUnavailable(): GraphQLError {
  const message = "The service cannot check sessions right now; try again later.";
  return coded("SERVICE_UNAVAILABLE", message);
}

/** The password was changed, and then the store did not answer. The caller's tokens may be refused afterwards. */
export function passwordChangedSessionsRemain(): GraphQLError {
  const message =
    "The password is changed, but other sessions may still be open: sign in with the new password and call endOtherSessions.";
  return coded("SERVICE_UNAVAILABLE", message);
}

export function tooManyOperations(limit: number): GraphQLError {
  const message = `At most ${limit} operations may run on one socket; end another first.`;
  return coded("TOO_MANY_REQUESTS", message);
}

/** The operation needs too much memory, alone or with the running operations of its session, user or address. */
export function tooMuchMemory(): GraphQLError {
  const message =
    "The operations of this session, user or address use too much memory; send less, or end others first.";
  return coded("TOO_MANY_REQUESTS", message);
}

/** The document exceeds a limit. The message names the limit and the excess. */
export function tooComplex(message: string, node?: ASTNode): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: "QUERY_TOO_COMPLEX" satisfies ErrorCode },
    nodes: node ?? null,
  });
}

const closeErrors = {
  UNAUTHENTICATED: () => unauthenticated("MISSING"),
  SESSION_ENDED: (details) => unauthenticated("ENDED", details),
  SESSION_EXPIRED: ({ begun = false }) => unauthenticated("EXPIRED", { begun }),
  TRY_AGAIN_LATER: serviceUnavailable,
  TOO_MANY_CONNECTIONS: () =>
    coded("TOO_MANY_CONNECTIONS", "The session or the address has too many connections."),
  SERVICE_RESTART: () => coded("SERVICE_RESTART", "The server is restarting; connect again."),
  CLIENT_GONE: () => coded("LEFT", "The client has left."),
} as const satisfies Record<CloseReason, (details: EndDetails) => GraphQLError>;

/** The error of an operation that was stopped because its connection closes. */
export function endingError(reason: CloseReason, details: EndDetails = {}): GraphQLError {
  return closeErrors[reason](details);
}

/** Masks an error for the client: returns expected errors unchanged, and all others with a generic message. */
export function maskError(error: unknown): GraphQLError {
  const cause = originalError(error);
  if (cause instanceof GraphQLError) return error instanceof GraphQLError ? error : cause;
  const shown = curfewError(cause) ?? coded("INTERNAL_SERVER_ERROR", "Unexpected error.");
  return replaceError(error, shown);
}

/** Gives Curfew's own failures their code and message, for apps that mask errors themselves. Returns others unchanged. */
export function nameError(error: unknown): unknown {
  const named = curfewError(originalError(error));
  return named === undefined ? error : replaceError(error, named);
}

function replaceError(error: unknown, shown: GraphQLError): GraphQLError {
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

/** Returns the error that was thrown, without the GraphQL error around it, which holds the query text. */
export function originalError(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError !== undefined
    ? originalError(error.originalError)
    : error;
}

function curfewError(cause: unknown): GraphQLError | undefined {
  if (cause instanceof StoreUnavailable) return serviceUnavailable();
  if (cause instanceof StreamOverflow)
    return coded("TOO_SLOW", "The client reads events more slowly than they arrive.");
  return undefined;
}

function coded(code: ErrorCode, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}
