/** The audit trail: what is written down of people, sessions and operators; every fact, field by field. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Device, Session } from "./session.ts";
import type { Claims } from "./token.ts";

/** The client that asked; null where that is not known. */
export interface ClientOrigin {
  readonly address: string | null;
  readonly userAgent: string | null;
}

/** A session, and when it ends by itself: nobody does that, and so nobody writes it down. */
interface SessionFields extends ClientOrigin {
  readonly userId: string;
  readonly fingerprint: string;
  /** How often it was renewed. */
  readonly generation: number;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Who ended a session, and from where, if a client did. */
export interface EndFields extends ClientOrigin {
  readonly fingerprint: string;
  readonly reason: EndReason;
  readonly by: "itself" | "otherSession" | "operator" | "system";
  /** Where it was another session of the user: which one. */
  readonly bySession?: string;
}

/** What people try with a password. */
export type CredentialAttempt = "login" | "registration" | "passwordChange";

/** Why it came to nothing. */
export type AttemptRefusal =
  | "UNKNOWN_USER"
  | "WRONG_PASSWORD"
  /** The password was right. */
  | "LOCKED"
  /** The password was changed, or the user locked, meanwhile: the session that had begun was ended. */
  | "OVERTAKEN"
  /** There is a user of that e-mail. */
  | "TAKEN"
  /** Something about the input is to be changed. */
  | "INVALID";

/** Of facts that a client can cause many times in one operation. */
interface Repeated {
  /** How many equal facts of the operation this one stands for; 1 where it is absent. */
  readonly count?: number;
}

interface RefusedCredentials extends ClientOrigin, Repeated {
  readonly reason: AttemptRefusal;
  /** Where there is such a user; of an e-mail that nobody has, nothing is written down. */
  readonly userId?: string;
  /** The session that asked for a change of the password. */
  readonly fingerprint?: string;
}

/** Why a request or a socket was not let in. */
export type AccessRefusal =
  | RefusalReason
  | "STORE_UNAVAILABLE"
  | "TOO_MANY_CONNECTIONS"
  | "TOO_MANY_OPERATIONS"
  | "BUSY"
  | "TIMEOUT"
  | "ORIGIN"
  /** A token of another session was shown on an open socket. */
  | "OTHER_SESSION"
  /** What graphql-ws closes a socket for, by its code. */
  | `PROTOCOL_${number}`;

/** The token of what was refused, if this server signed it. */
interface TokenFields extends ClientOrigin {
  readonly fingerprint?: string;
  readonly generation?: number;
}

/** Each kind of fact with its fields. No token, secret, password or e-mail address is in any of them. */
export interface AuditFacts {
  /** A session began. */
  readonly login: SessionFields;
  readonly loginRefused: RefusedCredentials;
  /** An account was made; the `login` of its first session is a fact of its own. */
  readonly registration: ClientOrigin & { readonly userId: string };
  readonly registrationRefused: RefusedCredentials;
  /** A password was changed, by a session; the `end` of each other session is a fact of its own. */
  readonly passwordChange: ClientOrigin & { readonly userId: string; readonly fingerprint: string };
  readonly passwordChangeRefused: RefusedCredentials;
  /** A password was not even looked at. */
  readonly throttled: ClientOrigin &
    Repeated & {
      readonly attempt: CredentialAttempt;
      /** Too many attempts failed before, or too many passwords are waiting. */
      readonly reason: "ATTEMPTS" | "BUSY";
      /** Of the session that asked for a change of the password. */
      readonly userId?: string;
      readonly fingerprint?: string;
    };
  /** A session is one generation on. Who gets the same pair again renews nothing. */
  readonly renewal: SessionFields;
  readonly renewalRefused: TokenFields &
    Repeated & { readonly reason: Exclude<RefusalReason, "REUSED"> };
  /** A used renewal token was used again, and refused: by a thief, or by the owner after one. Its `end` is the fact before. */
  readonly reuse: ClientOrigin & {
    readonly userId: string;
    readonly fingerprint: string;
    /** Of the token. */
    readonly generation: number;
  };
  /**
   * A used renewal token was used again inside the grace period, and accepted, from a network that the
   * session does not know: by a thief, or by the owner whose answer was lost. Once for each generation.
   */
  readonly foreignReplay: ClientOrigin & {
    readonly userId: string;
    readonly fingerprint: string;
    /** Of the token. */
    readonly generation: number;
  };
  /** A session ended, before its time. */
  readonly end: EndFields & { readonly userId: string };
  /** The store did not say whether it ended a session: it may have, and then nobody will say so. */
  readonly endUnknown: EndFields;
  /** A request or a socket was not let in. */
  readonly refused: TokenFields & {
    readonly transport: "http" | "socket";
    readonly reason: AccessRefusal;
  };
  /** By an operator, as the two after it. The `end` of each session is a fact of its own. */
  readonly lock: { readonly userId: string };
  readonly unlock: { readonly userId: string };
  readonly deletion: { readonly userId: string };
}

/** What happened. */
export type AuditFact = {
  [Event in keyof AuditFacts]: { readonly event: Event } & AuditFacts[Event];
}[keyof AuditFacts];

/** What happened, and when, in epoch milliseconds. */
export type AuditEvent = AuditFact & { readonly at: number };

/** Writes a fact down; whoever did it calls this once, and no other node does. Never throws. */
export type Audit = (fact: AuditFact) => void;

/** Who does something to a session. */
export type Actor =
  | { readonly by: "operator" | "system" }
  | { readonly by: "session"; readonly fingerprint: string; readonly device: Device };

export function clientOriginOf({ ipAddress, userAgent }: Device): ClientOrigin {
  return { address: ipAddress, userAgent };
}

/** Who, as the trail says it of an end of that session. */
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

/** What a token that was refused says of itself. */
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
