/** The audit trail: the security-relevant facts about users, sessions and operators, with their fields. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Device, Session } from "./session.ts";
import type { Claims } from "./token.ts";

/** The client of a request; null if unknown. */
export interface ClientOrigin {
  readonly address: string | null;
  readonly userAgent: string | null;
}

/** A session with its expiry: an expiry itself is not a fact of the trail, since no node carries it out. */
interface SessionFields extends ClientOrigin {
  readonly userId: string;
  readonly fingerprint: string;
  /** How often the session was renewed. */
  readonly generation: number;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** The end of a session: the actor and, if it was a client, its origin. */
export interface EndFields extends ClientOrigin {
  readonly fingerprint: string;
  readonly reason: EndReason;
  readonly by: "itself" | "otherSession" | "operator" | "system";
  /** The session that ended it, if it was another one of the user. */
  readonly bySession?: string;
}

/** The operations that take a password. */
export type CredentialAttempt = "login" | "registration" | "passwordChange";

/** Why such an attempt was refused. */
export type AttemptRefusal =
  | "UNKNOWN_USER"
  | "WRONG_PASSWORD"
  /** The password was right. */
  | "LOCKED"
  /** The password was changed or the user was locked during the login: its session was ended. */
  | "OVERTAKEN"
  /** Another user has that e-mail. */
  | "TAKEN"
  /** The input is invalid. */
  | "INVALID";

/** Fields of facts that a client can cause many times in one operation. */
interface Repeated {
  /** The number of equal facts of the operation that this one stands for. Default: 1 */
  readonly count?: number;
}

interface RefusedCredentials extends ClientOrigin, Repeated {
  readonly reason: AttemptRefusal;
  /** Present if there is such a user. An e-mail address without a user is not recorded. */
  readonly userId?: string;
  /** The session that requested the password change. */
  readonly fingerprint?: string;
}

/** Why a request or a socket was refused. */
export type AccessRefusal =
  | RefusalReason
  | "STORE_UNAVAILABLE"
  | "TOO_MANY_CONNECTIONS"
  | "TOO_MANY_OPERATIONS"
  | "BUSY"
  | "TIMEOUT"
  | "ORIGIN"
  /** A token of another session was sent on an open socket. */
  | "OTHER_SESSION"
  /** graphql-ws closed the socket, with this close code. */
  | `PROTOCOL_${number}`;

/** The session of a refused token, if this server signed it. */
interface TokenFields extends ClientOrigin {
  readonly fingerprint?: string;
  readonly generation?: number;
}

/** The kinds of facts with their fields. None contains a token, secret, password or e-mail address. */
export interface AuditFacts {
  /** A session started. */
  readonly login: SessionFields;
  readonly loginRefused: RefusedCredentials;
  /** An account was created. The `login` of its first session is a separate fact. */
  readonly registration: ClientOrigin & { readonly userId: string };
  readonly registrationRefused: RefusedCredentials;
  /** A session changed the password. The `end` of each other session is a separate fact. */
  readonly passwordChange: ClientOrigin & { readonly userId: string; readonly fingerprint: string };
  readonly passwordChangeRefused: RefusedCredentials;
  /** A rate limit or a full queue refused an attempt before its password was verified. */
  readonly throttled: ClientOrigin &
    Repeated & {
      readonly attempt: CredentialAttempt;
      /** `ATTEMPTS`: too many attempts. `BUSY`: too many passwords are waiting. */
      readonly reason: "ATTEMPTS" | "BUSY";
      /** The user of the session that requested a password change. */
      readonly userId?: string;
      readonly fingerprint?: string;
    };
  /** A session moved to the next generation. A replay, which returns the same pair, is no renewal. */
  readonly renewal: SessionFields;
  readonly renewalRefused: TokenFields &
    Repeated & { readonly reason: Exclude<RefusalReason, "REUSED"> };
  /** A used renewal token was used again and refused: by a thief, or by the owner after a thief. Its `end` precedes it. */
  readonly reuse: ClientOrigin & {
    readonly userId: string;
    readonly fingerprint: string;
    /** The generation of the token. */
    readonly generation: number;
  };
  /**
   * A used renewal token was used again within the grace period, and accepted, from a network that the
   * session does not know: by a thief, or by the owner whose response was lost. Once for each generation.
   */
  readonly foreignReplay: ClientOrigin & {
    readonly userId: string;
    readonly fingerprint: string;
    /** The generation of the token. */
    readonly generation: number;
  };
  /** A session was ended before its expiry. */
  readonly end: EndFields & { readonly userId: string };
  /** Another store answers, for example after a failover, and it had lost the end of a session: it ended again. */
  readonly endReplayed: {
    readonly userId: string;
    readonly fingerprint: string;
    /** Why the session had ended. */
    readonly reason: EndReason;
  };
  /** The store did not confirm that a session ended. It may have, and then no `end` follows. */
  readonly endUnknown: EndFields;
  /** A request or a socket was refused. */
  readonly refused: TokenFields & {
    readonly transport: "http" | "socket";
    readonly reason: AccessRefusal;
  };
  /**
   * An operator ended the sessions of all users. The `end` of each session follows. `versions` says whether the
   * security versions of all users were raised before: see `EverybodyEnded`.
   */
  readonly endEverybody: {
    readonly versions: "raised" | "unsupported" | "elsewhere" | "unavailable";
  };
  /** An operator locked a user. The `end` of each session is a separate fact. */
  readonly lock: { readonly userId: string };
  /** An operator unlocked a user. */
  readonly unlock: { readonly userId: string };
  /** An operator deleted a user. The `end` of each session is a separate fact. */
  readonly deletion: { readonly userId: string };
}

/** One fact of the trail. */
export type AuditFact = {
  [Event in keyof AuditFacts]: { readonly event: Event } & AuditFacts[Event];
}[keyof AuditFacts];

/** A fact with its time in epoch milliseconds. */
export type AuditEvent = AuditFact & { readonly at: number };

/** Records a fact. Only the node that caused it calls this, once. Never throws. */
export type Audit = (fact: AuditFact) => void;

/** The party that acts on a session. */
export type Actor =
  | { readonly by: "operator" | "system" }
  | { readonly by: "session"; readonly fingerprint: string; readonly device: Device };

export function clientOriginOf({ ipAddress, userAgent }: Device): ClientOrigin {
  return { address: ipAddress, userAgent };
}

/** The actor as the trail records it for the end of that session. */
export function actorFields(
  actor: Actor,
  fingerprint: string,
): Omit<EndFields, "fingerprint" | "reason"> {
  if (actor.by !== "session") return { by: actor.by, address: null, userAgent: null };
  const origin = clientOriginOf(actor.device);
  return actor.fingerprint === fingerprint
    ? { by: "itself", ...origin }
    : { by: "otherSession", bySession: actor.fingerprint, ...origin };
}

/** The fields of a refused token. */
export function tokenFields(claims: Claims | undefined, device: Device): TokenFields {
  return {
    ...(claims && { fingerprint: claims.fingerprint, generation: claims.generation }),
    ...clientOriginOf(device),
  };
}

export function sessionFields(session: Session, device: Device): SessionFields {
  const { userId, fingerprint, generation, idleExpiresAt: expiresAt } = session;
  return { userId, fingerprint, generation, expiresAt, ...clientOriginOf(device) };
}
