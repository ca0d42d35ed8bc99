/** What an app sees of its session: states, outcomes and refusals, in the words of the public schema. */

/** Why the server did not accept a token; what each one means is said in the schema. */
export type RefusalReason =
  | "MISSING"
  | "MALFORMED"
  | "BAD_SIGNATURE"
  | "WRONG_KIND"
  | "EXPIRED"
  | "SUPERSEDED"
  | "ENDED"
  | "REUSED"
  | "USER_GONE";

/** `LOGOUT` is one that was asked for here or in another tab; all others are refusals by the server. */
export type SignedOutReason = "LOGOUT" | RefusalReason;

/** The same object until it changes. A renewal does not change it, nor does a network that fails. */
export type SessionState =
  /** The other tabs are being asked, for a tenth of a second. */
  | { readonly status: "starting" }
  /** Without a reason when nobody was signed in since the start. */
  | { readonly status: "signedOut"; readonly reason: SignedOutReason | undefined }
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
  /** How many other sessions that ended. */
  readonly endedSessions: number;
}

/** A token to send now, and the session that it belongs to. */
export interface Access {
  readonly token: string;
  readonly sessionId: string;
}

/** Its functions need no `this`: they may be passed on by themselves. */
export interface Session {
  /** Of Curfew's endpoint, as it was given. */
  readonly url: string;
  readonly state: SessionState;
  /** Calls back after every change of `state`; returns what stops that. */
  readonly subscribe: (listener: (state: SessionState) => void) => () => void;
  /**
   * Problems are results; it rejects with a `RequestFailed` where there was no answer. A session that was
   * there before is ended.
   */
  readonly login: (
    credentials: Credentials,
  ) => Promise<SignedIn | InvalidCredentials | TooManyAttempts>;
  /** Makes a user and signs in; otherwise as `login`. */
  readonly register: (
    credentials: Credentials,
  ) => Promise<SignedIn | InvalidInput | TooManyAttempts>;
  /**
   * Signs out at once, in all tabs. Resolves when the server has ended the session; rejects with a
   * `RequestFailed` when it could not be told in eight attempts.
   */
  readonly logout: () => Promise<void>;
  /**
   * Has to be asked for here and not by another client: all tokens from before are refused from then on.
   * Where there was no answer although it was done, the session is signed out with `SUPERSEDED`.
   */
  readonly changePassword: (passwords: {
    readonly currentPassword: string;
    readonly newPassword: string;
  }) => Promise<PasswordChanged | InvalidInput | InvalidCredentials | TooManyAttempts>;
  /**
   * One that is accepted, renewed first where there is need; undefined when signed out. Rejects with a
   * `RequestFailed` when it has run out and cannot be renewed now; that goes on being tried.
   */
  readonly accessToken: () => Promise<string | undefined>;
  /** The same, with the session's id: what `refused` wants back. */
  readonly access: () => Promise<Access | undefined>;
  /**
   * Calls back after every renewal, here or in another tab, with what to send from then on; returns what stops
   * that.
   */
  readonly onRenewal: (listener: (access: Access) => void) => () => void;
  /**
   * Tells that the server did not accept a token, and why, where it said so: `ENDED` signs out, if it is
   * the session of now; anything else renews.
   */
  readonly refused: (access: Access, reason: RefusalReason | undefined) => void;
  /** Stops all that it does by itself, and forgets the tokens. To end the session is what `logout` is for. */
  readonly dispose: () => void;
}

/** There was no answer, or none that says yes or no. Trying again later may help. */
export class RequestFailed extends Error {
  override readonly name = "RequestFailed";
  /** `extensions.code` of the answer, such as `SERVICE_UNAVAILABLE`, or undefined when there was none. */
  readonly code: string | undefined;

  constructor(message: string, code?: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
