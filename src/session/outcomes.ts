/** What comes of asking about a session, of starting one and of renewing one. */
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Session } from "./session.ts";
import type { StoreUnavailable } from "./store.ts";
import type { Claims, TokenPair } from "./token.ts";

/** What a request or a socket turns out to be. */
export type Authentication =
  | { readonly state: "signedIn"; readonly session: Session; readonly claims: Claims }
  /** The claims are there when this server signed the token. */
  | { readonly state: "refused"; readonly reason: RefusalReason; readonly claims?: Claims }
  /** The store could not be asked: neither signed in nor signed out. */
  | { readonly state: "unavailable"; readonly claims: Claims; readonly cause: StoreUnavailable };

/** A live session with the tokens of its current generation. */
export interface Issued {
  readonly session: Session;
  readonly tokens: TokenPair;
}

export type Renewal =
  | ({ readonly outcome: "renewed" } & Issued)
  | { readonly outcome: "refused"; readonly reason: RefusalReason; readonly claims?: Claims };
