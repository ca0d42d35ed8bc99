/** Results of authenticating, starting and renewing sessions. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Session } from "./session.ts";
import type { StoreUnavailable } from "./store.ts";
import type { Claims, TokenPair } from "./token.ts";

/** Why a token is refused. */
export interface TokenRefused {
  readonly reason: RefusalReason;
  /** Present if this server signed the token. */
  readonly claims?: Claims;
  /** Present if the session has ended and it is known why. Only holders of genuine tokens of the session learn it. */
  readonly endReason?: EndReason;
}

/** The result of checking the access token of a request or a socket. */
export type Authentication =
  | { readonly state: "signedIn"; readonly session: Session; readonly claims: Claims }
  | ({ readonly state: "refused" } & TokenRefused)
  /** The store could not be read: neither signed in nor signed out. */
  | { readonly state: "unavailable"; readonly claims: Claims; readonly cause: StoreUnavailable };

/** A live session with the tokens of its current generation. */
export interface Issued {
  readonly session: Session;
  readonly tokens: TokenPair;
}

export type Renewal =
  ({ readonly outcome: "renewed" } & Issued) | ({ readonly outcome: "refused" } & TokenRefused);
