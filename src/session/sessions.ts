/** What can be done with sessions: start, authenticate, renew, end, list. The heart of Curfew. */
import { SessionNotifier } from "./notifier.ts";
import { actorFields, sessionFields, type Actor } from "./audit.ts";
import type { ReportError } from "../lib/report-error.ts";
import type { SessionMessage } from "./messages.ts";
import type { Authentication, Issued, Renewal } from "./outcomes.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import { Renewals, type RenewalsOptions } from "./renewals.ts";
import { inBatches } from "../lib/in-batches.ts";
import {
  beginSession,
  sessionsBeyondLimit,
  lastSeenResolution,
  type Device,
  type Session,
} from "./session.ts";
import { StoreUnavailable, type SessionStore } from "./store.ts";
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

export type { Authentication, Issued, Renewal } from "./outcomes.ts";

export interface SessionsOptions extends RenewalsOptions {
  readonly pubsub: PubSub;
  /** As many as a user may have; a login beyond that ends the oldest. */
  readonly maxSessionsPerUser?: number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Told of what went wrong without failing the caller: a message not published, a note not taken. */
  readonly reportError: ReportError;
}

/** Of a client that nobody described. */
const noDevice: Device = { userAgent: null, ipAddress: null };

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #announcements: SessionNotifier;
  readonly #renewals: Renewals;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#announcements = new SessionNotifier(options.pubsub, options.reportError);
    this.#renewals = new Renewals(options, this.#announcements, (...which) => this.end(...which));
  }

  /**
   * Signs a user in. Whoever calls this asks afterwards whether the user is still there and not locked,
   * and ends the session if not: a lock ends the sessions that it finds.
   */
  async start(userId: string, device: Device): Promise<Issued> {
    const { store, lifetimes, ring, clock, randomBytes, audit } = this.#options;
    const secret = SessionSecret.random(randomBytes);
    const session = beginSession(secret.fingerprint, userId, device, lifetimes, clock());
    await store.create(session);
    audit?.({ event: "login", ...sessionFields(session, device) });
    await Promise.all([this.#announcements.start(session), this.#endOldest(userId)]);
    return { session, tokens: mintPair(ring, secret, session) };
  }

  /** Checks an access token without asking the store: what it says, or why it will not do. */
  verify(token: string | undefined): TokenReading<TokenRefusal | "MISSING"> {
    const { ring, clock } = this.#options;
    return token === undefined
      ? { ok: false, reason: "MISSING" }
      : checkToken(ring, token, "access", clock());
  }

  /** Checks an access token and asks the store about its session: once, and never without need. */
  async authenticate(token: string | undefined): Promise<Authentication> {
    const reading = this.verify(token);
    return reading.ok ? this.check(reading.claims) : { ...reading, state: "refused" };
  }

  /** Asks the store about the session of an access token that was verified. */
  async check(claims: Claims): Promise<Authentication> {
    return this.#ask(claims, (session) =>
      claims.generation < session.generation ? "SUPERSEDED" : undefined,
    );
  }

  /**
   * Asks again, for what began with `check` and runs on. A renewal since then does not matter, unless tokens
   * of before are not accepted any more (`minGeneration`). Until when it may run on is not judged here: each
   * connection has a deadline of its own.
   */
  async checkAgain(claims: Claims): Promise<Authentication> {
    return this.#ask(claims, (session) =>
      claims.generation < session.minGeneration ? "SUPERSEDED" : undefined,
    );
  }

  async #ask(
    claims: Claims,
    judge: (session: Session) => RefusalReason | undefined,
  ): Promise<Authentication> {
    let session: Session | undefined;
    try {
      session = await this.#read(claims.fingerprint);
    } catch (cause) {
      if (cause instanceof StoreUnavailable) return { state: "unavailable", claims, cause };
      throw cause;
    }
    if (session === undefined) return { state: "refused", reason: "ENDED", claims };
    const reason = judge(session);
    return reason === undefined
      ? { state: "signedIn", session, claims }
      : { state: "refused", reason, claims };
  }

  /** The live session of that fingerprint; reading it counts as its use. */
  async #read(fingerprint: string): Promise<Session | undefined> {
    const { store, clock, reportError } = this.#options;
    const now = clock();
    const session = await store.read(fingerprint, now);
    if (session !== undefined && now - session.lastSeenAt >= lastSeenResolution)
      store
        .touch(fingerprint, now)
        .catch((error: unknown) => reportError("the last use of a session was not noted", error));
    return session;
  }

  /** How many sessions stand, in their order. It counts as no use. */
  async readMany(fingerprints: readonly string[]): ReturnType<SessionStore["readMany"]> {
    return this.#options.store.readMany(fingerprints, this.#options.clock());
  }

  /** @param device from where it is asked, for the audit trail */
  async renew(renewalToken: string, device: Device = noDevice): Promise<Renewal> {
    return this.#renewals.renew(renewalToken, device);
  }

  /**
   * Starts the session over, after a changed password: every token issued before is refused from now on,
   * with `SUPERSEDED`, and only the pair that this resolves to is accepted. Steps from what is current,
   * whatever the generation of the caller's token.
   *
   * @throws StoreUnavailable when it is not known whether it was done; safe to repeat.
   */
  async reissue(claims: Claims, device: Device = noDevice): Promise<Renewal> {
    return this.#renewals.reissue(claims, device);
  }

  /** The claims of any token of this server: either kind, any generation, expired or not. */
  identify(token: string): Claims | undefined {
    return readToken(this.#options.ring, token).claims;
  }

  /** Ends a session; resolves to how many this call ended: 1, or 0. */
  async end(
    fingerprint: string,
    reason: EndReason,
    actor: Actor = { by: "system" },
  ): Promise<number> {
    const { store, clock, audit } = this.#options;
    const fact = { fingerprint, reason, ...actorFields(actor, fingerprint) };
    let session: Session | undefined;
    try {
      session = await store.end(fingerprint, clock());
    } catch (error) {
      audit?.({ event: "endUnknown", ...fact });
      void this.#announcements.change({ type: "uncertain", fingerprint });
      throw error;
    }
    if (session === undefined) {
      // Perhaps by an earlier attempt, whose answer was lost and which therefore told nobody.
      await this.#announcements.change({ type: "uncertain", fingerprint });
      return 0;
    }
    audit?.({ event: "end", userId: session.userId, ...fact });
    const ended = { type: "ended", fingerprint, session, reason, at: clock() } as const;
    await this.#announcements.change(ended);
    return 1;
  }

  /**
   * Ends the session of a token, of any generation, expired or not, unless the session was reissued since:
   * then the token opens and ends nothing. Resolves to how many this call ended.
   */
  async endByToken(claims: Claims, reason: EndReason, actor?: Actor): Promise<number> {
    const { fingerprint, generation } = claims;
    const session = await this.#options.store.read(fingerprint, this.#options.clock());
    if (session !== undefined && generation < session.minGeneration) return 0;
    return this.end(fingerprint, reason, actor);
  }

  /** Ends a session if it is that user's; resolves to how many this call ended. */
  async endOwn(
    userId: string,
    fingerprint: string,
    reason: EndReason,
    actor?: Actor,
  ): Promise<number> {
    const session = await this.#options.store.read(fingerprint, this.#options.clock());
    return session?.userId === userId ? this.end(fingerprint, reason, actor) : 0;
  }

  /** Ends all sessions of the user but that one; resolves to how many this call ended. Safe to repeat. */
  async endOthers(
    userId: string,
    keep: string | undefined,
    reason: EndReason,
    actor?: Actor,
  ): Promise<number> {
    const others = (await this.list(userId)).filter(({ fingerprint }) => fingerprint !== keep);
    return inBatches(others, ({ fingerprint }) => this.end(fingerprint, reason, actor));
  }

  /** Ends all sessions of the user; resolves to how many this call ended. Safe to repeat. */
  async endAll(userId: string, reason: EndReason, actor?: Actor): Promise<number> {
    return this.endOthers(userId, undefined, reason, actor);
  }

  /** The user's live sessions, newest first. */
  async list(userId: string): Promise<readonly Session[]> {
    return this.#options.store.listByUser(userId, this.#options.clock());
  }

  /**
   * Tells of every change made through this object, before it is published: what this node did it
   * carries out itself, whether or not the message gets through.
   */
  onLocalChange(listener: (message: SessionMessage) => void): () => void {
    return this.#announcements.onLocalChange(listener);
  }

  /** Asked when the new session is listed: of logins at once, the last to ask sees all of them. */
  async #endOldest(userId: string): Promise<void> {
    const { maxSessionsPerUser, reportError } = this.#options;
    if (maxSessionsPerUser === undefined) return;
    try {
      const oldest = sessionsBeyondLimit(await this.list(userId), maxSessionsPerUser);
      await inBatches(oldest, ({ fingerprint }) => this.end(fingerprint, "SESSION_LIMIT"));
    } catch (error) {
      // The login stands; the next one ends what this one left.
      reportError("a user's oldest sessions were not ended", error);
    }
  }
}
