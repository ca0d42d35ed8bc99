/** The port to the store of sessions. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { ReissueRequest, RenewalRequest } from "./renewal-rules.ts";
import type { Lifetimes, Session, SessionExpiry } from "./session.ts";

/** The result of a renewal, with the session as the store has it afterwards. */
export type RenewalOutcome =
  /** This call made the next generation. */
  | { readonly outcome: "rotated"; readonly session: Session }
  /** Another call made it, within the grace period or concurrently with this one: the same pair again. */
  | { readonly outcome: "replayed"; readonly session: Session }
  /** A replay from a foreign network, which this call counted: once for each generation. */
  | { readonly outcome: "foreignReplay"; readonly session: Session }
  /**
   * A used token after its grace period. The caller ends the session, and not the store: an outcome that
   * comes after the caller has stopped waiting must change nothing.
   */
  | { readonly outcome: "reused"; readonly session: Session }
  /** The token is below the session's `minGeneration`: refused, and nothing has changed. */
  | { readonly outcome: "superseded"; readonly session: Session }
  /** There is no such live session. `endReason` is absent if the store does not know it. */
  | { readonly outcome: "absent"; readonly endReason?: EndReason };

/** A change that a store may also publish, if it shares its Redis with the pub/sub. */
export interface Publication {
  /**
   * Called if the store has published the change in the same atomic step. The caller publishes it otherwise, so
   * a store without pub/sub never calls this.
   */
  readonly onPublished?: () => void;
}

export interface EndRequest extends Publication {
  readonly reason: EndReason;
}

/** The result for one session of a bulk read. */
export type SessionLookup =
  | { readonly state: "live"; readonly standing: SessionExpiry }
  | { readonly state: "absent" }
  /** The store could not read this one, whatever it returns for the others. */
  | { readonly state: "unknown"; readonly cause: StoreUnavailable };

/**
 * Stores sessions under their fingerprint.
 *
 * - Every change of one session is atomic and applies only to an existing session: nothing restores an
 *   ended or expired one.
 * - After a promise has resolved, every later read on every node sees its change.
 * - A session past its `idleExpiresAt` is absent for every method.
 * - If the store cannot give a true answer, the method rejects with {@link StoreUnavailable}. Then it is
 *   unknown whether a change happened. Ending and renewing are safe to repeat.
 */
export interface SessionStore {
  /** Stores a new session and lists it under its user. */
  create(session: Session): Promise<void>;
  read(fingerprint: string, now: number): Promise<Session | undefined>;
  /**
   * Reads what connections need of their sessions, in the order of the fingerprints. Called often, so it
   * returns no more than that. A store of several parts answers for each session separately: if one part
   * is down, only its sessions are unknown.
   */
  readMany(fingerprints: readonly string[], now: number): Promise<readonly SessionLookup[]>;
  /**
   * Decides a renewal by `decideRenewal` and rotates the session if that is the decision, in one atomic
   * step. If nodes share the store, the grace period is measured by the store's clock, from the rotation.
   */
  renew(
    fingerprint: string,
    request: RenewalRequest & Publication,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome>;
  /**
   * Replaces all tokens of the session by `reissueSession`, in one atomic step from the current generation:
   * also if a renewal comes between the caller's read and this. Resolves to undefined if there is no live
   * session.
   */
  reissue(
    fingerprint: string,
    request: ReissueRequest & Publication,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<Session | undefined>;
  /** Records that the session was used. */
  touch(fingerprint: string, now: number): Promise<void>;
  /**
   * Ends the session for good. Resolves to its last state, or to undefined if there was none to end.
   *
   * @param request Default: the store records no reason
   */
  end(fingerprint: string, now: number, request?: EndRequest): Promise<Session | undefined>;
  /** Why a session ended. Resolves to undefined if the store does not know it, or no longer. Default: it never knows. */
  endReason?(fingerprint: string, now: number): Promise<EndReason | undefined>;
  /**
   * The fingerprints of all sessions, in batches: each one that exists from the beginning to the end at least once.
   * Does not use the lists of the users. Without it, an operator cannot end the sessions of all users at once.
   */
  scan?(): AsyncIterable<readonly string[]>;
  /**
   * Calls the listener when another store may answer from now on, which may have lost acknowledged changes, for
   * example after a failover. Returns a function that removes the listener. Absent if that never happens.
   */
  onReplaced?(listener: () => void): () => void;
  /** The live sessions of a user, newest first. */
  listByUser(userId: string, now: number): Promise<readonly Session[]>;
  /** Readiness: rejects if the store does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The store or the pub/sub could not be reached: the answer is neither yes nor no. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}
