/** The use cases of sessions: start, authenticate, renew, end, list. */
import { SessionAccess } from "./access.ts";
import { SessionNotifier } from "./notifier.ts";
import type { SessionEnd } from "./ends.ts";
import { actorFields, sessionFields, type Actor } from "./audit.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { SessionMessage } from "./messages.ts";
import type { Authentication, Issued, Renewal } from "./outcomes.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import { Renewals, type RenewalsOptions } from "./renewals.ts";
import { inBatches } from "../lib/in-batches.ts";
import { beginSession, sessionsBeyondLimit, type Device, type Session } from "./session.ts";
import type { SessionStore } from "./store.ts";
import {
  checkToken,
  mintPair,
  readToken,
  SessionSecret,
  type Claims,
  type TokenReading,
  type TokenRefusal,
} from "./token.ts";
import type { PubSub } from "./pubsub.ts";
import { endEverybody } from "./end-everybody.ts";
import { outdatedReason, type SecurityVersion } from "./user-status.ts";

export type { Authentication, Issued, Renewal } from "./outcomes.ts";

export interface SessionsOptions extends RenewalsOptions {
  readonly pubsub: PubSub;
  /** How many sessions a user may have. A login beyond the limit ends the oldest. Default: no limit */
  readonly maxSessionsPerUser?: number;
  /** A user's security version, for sessions that start without one. Default: 0 */
  readonly securityVersionOf?: (userId: string) => Promise<number>;
  /** Whether sessions end by the security versions of their users. Default: true */
  readonly comparesSecurityVersions?: boolean;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Receives failures that do not fail the caller, such as a message that could not be published. */
  readonly reportError: ReportError;
}

/** The device of an unknown client. */
const noDevice: Device = { userAgent: null, ipAddress: null };

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #notifier: SessionNotifier;
  readonly #access: SessionAccess;
  readonly #renewals: Renewals;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#access = new SessionAccess(options);
    this.#notifier = new SessionNotifier(options.pubsub, options.reportError);
    this.#renewals = new Renewals(options, this.#notifier, {
      end: (...args) => this.end(...args),
      endReason: (fingerprint) => this.#access.endReason(fingerprint),
    });
  }

  /**
   * Signs a user in. The caller checks afterwards that the user is not deleted or locked, and else ends the
   * session: a concurrent lock ends only the sessions that it finds.
   *
   * @param securityVersion the user's, read together with the password hash. Default: reads the current one, if the
   * user directory keeps security versions
   */
  async start(userId: string, device: Device, securityVersion?: number): Promise<Issued> {
    const { store, lifetimes, ring, clock, randomBytes, audit } = this.#options;
    const version = securityVersion ?? (await this.#options.securityVersionOf?.(userId));
    const secret = SessionSecret.random(randomBytes);
    const session = beginSession(secret.fingerprint, userId, device, lifetimes, clock(), version);
    await store.create(session);
    audit?.({ event: "login", ...sessionFields(session, device) });
    await Promise.all([this.#notifier.start(session), this.#endOldest(userId)]);
    return { session, tokens: mintPair(ring, secret, session) };
  }

  /** Checks an access token without reading the store. */
  verify(token: string | undefined): TokenReading<TokenRefusal | "MISSING"> {
    const { ring, clock } = this.#options;
    return token === undefined
      ? { ok: false, reason: "MISSING" }
      : checkToken(ring, token, "access", clock());
  }

  /** Checks an access token and, if it is valid, reads its session from the store once. */
  async authenticate(token: string | undefined): Promise<Authentication> {
    const reading = this.verify(token);
    return reading.ok ? this.check(reading.claims) : { ...reading, state: "refused" };
  }

  /** Reads the session of a verified access token from the store. */
  async check(claims: Claims): Promise<Authentication> {
    return this.#access.check(claims);
  }

  /**
   * Rechecks the session of an operation that started with `check` and still runs. A renewal since then does
   * not end it, unless earlier tokens are refused now (`minGeneration`). Expiry is not checked here: each
   * connection has its own deadline.
   */
  async checkAgain(claims: Claims): Promise<Authentication> {
    return this.#access.checkAgain(claims);
  }

  /**
   * Why a session ended. Resolves to undefined if that is not known, or if the store does not answer in time. Only
   * for holders of genuine tokens of the session.
   */
  async endReason(fingerprint: string): Promise<EndReason | undefined> {
    return this.#access.endReason(fingerprint);
  }

  /** Reads many sessions, in the order of the fingerprints. The read does not count as a use of them. */
  async readMany(fingerprints: readonly string[]): ReturnType<SessionStore["readMany"]> {
    return this.#access.readMany(fingerprints);
  }

  /** @param device the client, for the audit trail and foreign replays */
  async renew(renewalToken: string, device: Device = noDevice): Promise<Renewal> {
    return this.#renewals.renew(renewalToken, device);
  }

  /**
   * Replaces all tokens of the session after a password change: every token issued before is refused from
   * now on, with `SUPERSEDED`, and only the returned pair is accepted. Moves on from the current generation,
   * whatever the generation of the caller's token.
   *
   * @param securityVersion the user's, after the change. Default: the session keeps its own
   * @throws StoreUnavailable if it is unknown whether it was done; safe to repeat
   */
  async reissue(
    claims: Claims,
    device: Device = noDevice,
    securityVersion?: number,
  ): Promise<Renewal> {
    return this.#renewals.reissue(claims, device, securityVersion);
  }

  /**
   * Compares a session with its user, who was read just now. If the user's security version was raised since the
   * session began, resolves to false and ends the session, without waiting for its end.
   */
  async outlasts(session: Session, user: SecurityVersion): Promise<boolean> {
    if (this.#options.comparesSecurityVersions === false) return true;
    if ((await this.#renewals.confirmed(session, user)) !== undefined) return true;
    this.end(session.fingerprint, outdatedReason(user)).catch((error: unknown) =>
      this.#options.reportError(
        "a session was not ended after its user's security version was raised",
        error,
      ),
    );
    return false;
  }

  /** Reads the claims of any token of this server: either kind, any generation, expired or not. */
  identify(token: string): Claims | undefined {
    return readToken(this.#options.ring, token).claims;
  }

  /** Ends a session. Resolves to the number that this call ended: 1 or 0. */
  async end(
    fingerprint: string,
    reason: EndReason,
    actor: Actor = { by: "system" },
  ): Promise<number> {
    const { store, clock, audit } = this.#options;
    const fact = { fingerprint, reason, ...actorFields(actor, fingerprint) };
    const at = clock();
    let session: Session | undefined;
    let isPublished = false;
    const onPublished = () => (isPublished = true);
    try {
      session = await store.end(fingerprint, at, { reason, onPublished });
    } catch (error) {
      audit?.({ event: "endUnknown", ...fact });
      void this.#notifier.change({ type: "uncertain", fingerprint });
      throw error;
    }
    this.#options.ends?.add({ fingerprint, reason, at });
    if (session === undefined) {
      // An earlier attempt may have ended it without publishing that, because the store's reply was lost.
      await this.#notifier.change({ type: "uncertain", fingerprint });
      return 0;
    }
    audit?.({ event: "end", userId: session.userId, ...fact });
    await this.#ended(session, reason, isPublished);
    return 1;
  }

  /**
   * Ends a session that has ended before, in a store that may have lost that. Resolves to whether the store had lost it.
   *
   * @throws StoreUnavailable if it is unknown whether it was done; safe to repeat
   */
  async endAgain({ fingerprint, reason }: SessionEnd): Promise<boolean> {
    const { store, clock, audit } = this.#options;
    let isPublished = false;
    const onPublished = () => (isPublished = true);
    const session = await store.end(fingerprint, clock(), { reason, onPublished });
    if (session === undefined) return false;
    audit?.({ event: "endReplayed", userId: session.userId, fingerprint, reason });
    await this.#ended(session, reason, isPublished);
    return true;
  }

  /**
   * Ends the session of a token of any generation, expired or not. A token from before the session was
   * reissued ends nothing. Resolves to the number that this call ended.
   */
  async endByToken(claims: Claims, reason: EndReason, actor?: Actor): Promise<number> {
    const { fingerprint, generation } = claims;
    const session = await this.#options.store.read(fingerprint, this.#options.clock());
    if (session !== undefined && generation < session.minGeneration) return 0;
    return this.end(fingerprint, reason, actor);
  }

  /** Ends a session if it belongs to the user. Resolves to the number that this call ended. */
  async endOwn(
    userId: string,
    fingerprint: string,
    reason: EndReason,
    actor?: Actor,
  ): Promise<number> {
    const session = await this.#options.store.read(fingerprint, this.#options.clock());
    return session?.userId === userId ? this.end(fingerprint, reason, actor) : 0;
  }

  /** Ends all sessions of the user except `keep`. Resolves to the number that this call ended. Safe to repeat. */
  async endOthers(
    userId: string,
    keep: string | undefined,
    reason: EndReason,
    actor?: Actor,
  ): Promise<number> {
    const others = (await this.list(userId)).filter(({ fingerprint }) => fingerprint !== keep);
    return inBatches(others, ({ fingerprint }) => this.end(fingerprint, reason, actor));
  }

  /** Ends all sessions of the user. Resolves to the number that this call ended. Safe to repeat. */
  async endAll(userId: string, reason: EndReason, actor?: Actor): Promise<number> {
    return this.endOthers(userId, undefined, reason, actor);
  }

  /**
   * Ends the sessions of all users that began before a time (epoch ms), found by their records. Resolves to the number
   * that this call ended. Safe to repeat.
   *
   * @param onProgress called now and then with the number so far
   * @throws Error if the store cannot list its sessions
   */
  async endEverybody(
    beganBefore: number,
    reason: EndReason,
    actor?: Actor,
    onProgress?: (endedSessions: number) => void,
  ): Promise<number> {
    const { store, clock } = this.#options;
    const end = (fingerprint: string) => this.end(fingerprint, reason, actor);
    return endEverybody({ store, clock, beganBefore, end, onProgress });
  }

  /** The user's live sessions, newest first. */
  async list(userId: string): Promise<readonly Session[]> {
    const { store, clock, ends } = this.#options;
    const sessions = await store.listByUser(userId, clock());
    return sessions.filter(({ fingerprint }) => ends?.get(fingerprint) === undefined);
  }

  /**
   * Reports every change made through this object before it is published, so that this node applies its
   * own changes even if the message is lost.
   */
  onLocalChange(listener: (message: SessionMessage) => void): () => void {
    return this.#notifier.onLocalChange(listener);
  }

  async #ended(session: Session, reason: EndReason, isPublished: boolean): Promise<void> {
    const { fingerprint } = session;
    const at = this.#options.clock();
    await this.#notifier.change({ type: "ended", fingerprint, session, reason, at }, isPublished);
  }

  /** Called after the new session is listed: of concurrent logins, the last one to list sees all sessions. */
  async #endOldest(userId: string): Promise<void> {
    const { maxSessionsPerUser, reportError } = this.#options;
    if (maxSessionsPerUser === undefined) return;
    try {
      const oldest = sessionsBeyondLimit(await this.list(userId), maxSessionsPerUser);
      await inBatches(oldest, ({ fingerprint }) => this.end(fingerprint, "SESSION_LIMIT"));
    } catch (error) {
      // The login succeeds; the next one ends the sessions that are too many.
      reportError("a user's oldest sessions were not ended", error);
    }
  }
}
