/** The port to wherever sessions are kept. */
import type {
  Lifetimes,
  ReissueRequest,
  RenewalRequest,
  Session,
  SessionExpiry,
} from "./session.ts";

/** What became of a renewal. Each names the session as the store has it afterwards, or had it last. */
export type RenewalOutcome =
  /** One step up: this call made the new generation. */
  | { readonly outcome: "stepped"; readonly session: Session }
  /** Another call made it, within the grace or since this one was asked: the same pair again. */
  | { readonly outcome: "converged"; readonly session: Session }
  /** The same, as a foreign replay that this call counted: once for each generation. */
  | { readonly outcome: "convergedForeign"; readonly session: Session }
  /**
   * A used token after its grace, for which the session is to be ended. By another call: a verdict that
   * comes so late that nobody waits for it any more should do no harm.
   */
  | { readonly outcome: "reused"; readonly session: Session }
  /** The token is below the session's `minGeneration`: refused, and nothing has changed. */
  | { readonly outcome: "superseded"; readonly session: Session }
  /** There is no such live session. */
  | { readonly outcome: "absent" };

/** What a store can say of one session of many. */
export type SessionLookup =
  | { readonly state: "live"; readonly standing: SessionExpiry }
  | { readonly state: "absent" }
  /** It could not be asked for this one, whatever it says of the others. */
  | { readonly state: "unknown"; readonly cause: StoreUnavailable };

/**
 * Keeps sessions under their fingerprint.
 *
 * - Every change of one session is atomic, and acts only on a session that exists: nothing brings
 *   an ended or expired one back.
 * - What a resolved promise acknowledged is seen by every later read on every node.
 * - A session past its `idleExpiresAt` is absent for every method.
 * - Whatever keeps the store from giving a true answer rejects with {@link StoreUnavailable}; then it
 *   is unknown whether a change happened. Ending and renewing are safe to repeat.
 */
export interface SessionStore {
  /** Keeps a new session and lists it under its user. */
  create(session: Session): Promise<void>;
  read(fingerprint: string, now: number): Promise<Session | undefined>;
  /**
   * How many sessions stand, in their order: asked often, and so no more than is needed. What is kept in
   * several places answers for each by itself: where one is away, its sessions alone are unknown.
   */
  readMany(fingerprints: readonly string[], now: number): Promise<readonly SessionLookup[]>;
  /**
   * Judges a renewal by `judgeRenewal` and steps up where that says so, in one atomic step. Where nodes
   * share the store, the grace is by its clock and not by theirs: it runs from when the step was made.
   */
  renew(
    fingerprint: string,
    request: RenewalRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome>;
  /**
   * Starts the session over by `reissueSession`, in one atomic step from what is current: also where a
   * renewal comes between the caller's read and this. Resolves to undefined if there is no live session.
   */
  reissue(
    fingerprint: string,
    request: ReissueRequest,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<Session | undefined>;
  /** Notes that the session was used. */
  touch(fingerprint: string, now: number): Promise<void>;
  /** Ends the session for good; resolves to what it was, or to undefined when there was none to end. */
  end(fingerprint: string, now: number): Promise<Session | undefined>;
  /** The live sessions of a user, newest first. */
  listByUser(userId: string, now: number): Promise<readonly Session[]>;
  /** Whether the store answers; for readiness. Rejects when not. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The store, or the topics, could not be asked: neither yes nor no. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}
