/** The public types of a session: its state, its results and its errors, named as in the public schema. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";

export type { EndReason, RefusalReason };

/** `LOGOUT` is a call of `logout` in this tab or another. All others are refusals by the server. */
export type SignedOutReason = "LOGOUT" | RefusalReason;

/** The same object until it changes. Renewals and network failures do not change it. */
export type SessionState =
  /** The session waits a tenth of a second for tokens from other tabs. */
  | { readonly status: "starting" }
  | {
      readonly status: "signedOut";
      /** Undefined if no user has been signed in since the start. */
      readonly reason: SignedOutReason | undefined;
      /** Why the session ended, if `reason` is `ENDED` and the server returned it within a second. */
      readonly endReason: EndReason | undefined;
    }
  | { readonly status: "signedIn"; readonly sessionId: string; readonly userId: string };

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

export interface SignedIn {
  readonly __typename: "SignedIn";
  readonly sessionId: string;
  readonly userId: string;
}

export interface InvalidCredentials {
  readonly __typename: "InvalidCredentials";
  readonly message: string;
}

export interface InvalidInput {
  readonly __typename: "InvalidInput";
  readonly message: string;
  readonly fields: readonly { readonly field: string; readonly message: string }[];
}

export interface TooManyAttempts {
  readonly __typename: "TooManyAttempts";
  readonly message: string;
  readonly retryAfterSeconds: number;
}

export interface PasswordChanged {
  readonly __typename: "PasswordChanged";
  /** How many other sessions the change ended. */
  readonly endedSessions: number;
}

/** A token to send now, and its session. */
export interface Access {
  readonly token: string;
  readonly sessionId: string;
}

/** Its functions need no `this`, so they can be passed as callbacks. */
export interface Session {
  /** Curfew's endpoint, as in the options. */
  readonly url: string;
  readonly state: SessionState;
  /** Calls back after every change of `state`. Returns a function that unsubscribes. */
  readonly subscribe: (listener: (state: SessionState) => void) => () => void;
  /**
   * Resolves also with problems. Rejects with a `RequestFailed` without a response. Ends the session before,
   * if there was one.
   */
  readonly login: (
    credentials: Credentials,
  ) => Promise<SignedIn | InvalidCredentials | TooManyAttempts>;
  /** Creates a user and signs in; otherwise as `login`. */
  readonly register: (
    credentials: Credentials,
  ) => Promise<SignedIn | InvalidInput | TooManyAttempts>;
  /**
   * Signs out at once, in all tabs. Resolves when the server has ended the session. Rejects with a
   * `RequestFailed` after eight failed attempts.
   */
  readonly logout: () => Promise<void>;
  /**
   * Changes the password. Call it here and not with another client: the server then refuses all earlier
   * tokens. If the change succeeds but its response is lost, the session is signed out with `SUPERSEDED`.
   */
  readonly changePassword: (passwords: {
    readonly currentPassword: string;
    readonly newPassword: string;
  }) => Promise<PasswordChanged | InvalidInput | InvalidCredentials | TooManyAttempts>;
  /**
   * Resolves with a valid access token, renewed first if necessary; undefined when signed out. Rejects with a
   * `RequestFailed` if the token has expired and cannot be renewed now. The session continues to retry.
   */
  readonly accessToken: () => Promise<string | undefined>;
  /** As `accessToken`, with the session's id: the argument of `refused`. */
  readonly access: () => Promise<Access | undefined>;
  /**
   * Calls back with the new token after every renewal, in this tab or another. Returns a function that
   * unsubscribes.
   */
  readonly onRenewal: (listener: (access: Access) => void) => () => void;
  /**
   * Reports that the server refused a token, and the reason if known. `ENDED` signs out, if the token belongs
   * to the current session. Any other reason renews.
   *
   * Without an `endReason`, the session first asks the server for it. It signs out with the response, or after
   * one second. Meanwhile `access` waits.
   */
  readonly refused: (
    access: Access,
    reason: RefusalReason | undefined,
    endReason?: EndReason,
  ) => void;
  /** Stops timers and listeners, and forgets the tokens. Does not end the session: see `logout`. */
  readonly dispose: () => void;
}

/** The server did not respond, or could not decide. Retrying later may help. */
export class RequestFailed extends Error {
  override readonly name = "RequestFailed";
  /** `extensions.code` of the response, such as `SERVICE_UNAVAILABLE`; undefined without a response. */
  readonly code: string | undefined;

  constructor(message: string, code?: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
