/** Results of authenticating, starting and renewing sessions. */
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Session } from "./session.ts";
import type { StoreUnavailable } from "./store.ts";
import type { Claims, TokenPair } from "./token.ts";

/** The result of checking the access token of a request or a socket. */
export type Authentication =
  | { readonly state: "signedIn"; readonly session: Session; readonly claims: Claims }
  /** With claims if this server signed the token. */
  | { readonly state: "refused"; readonly reason: RefusalReason; readonly claims?: Claims }
  /** The store could not be read: neither signed in nor signed out. */
  | { readonly state: "unavailable"; readonly claims: Claims; readonly cause: StoreUnavailable };

/** A live session with the tokens of its current generation. */
export interface Issued {
  readonly session: Session;
  readonly tokens: TokenPair;
}

export type Renewal =
  | ({ readonly outcome: "renewed" } & Issued)
  | { readonly outcome: "refused"; readonly reason: RefusalReason; readonly claims?: Claims };
