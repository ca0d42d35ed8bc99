/** What can be done with sessions: start, authenticate, renew, end, list. The heart of Curfew. */
import { safely, type OnFault } from "./fault.ts";
import { userTopic, sessionTopic, type SessionMessage, type UserMessage } from "./messages.ts";
import type { KeyRing } from "./keys.ts";
import type { Authentication, Issued, Renewal } from "./outcomes.ts";
import type { EndReason, RefusalReason } from "./reasons.ts";
import { inBatches } from "./batches.ts";
import {
  beginSession,
  beyondLimit,
  lastSeenResolution,
  type Device,
  type Lifetimes,
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
import type { Topics } from "./topics.ts";

export type { Authentication, Issued, Renewal } from "./outcomes.ts";

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly topics: Topics;
  readonly ring: KeyRing;
  readonly lifetimes: Lifetimes;
  /** As many as a user may have; a login beyond that ends the oldest. */
  readonly maxPerUser?: number;
  /** Whether the user was deleted or locked. */
  readonly isGone: (userId: string) => Promise<boolean>;
  readonly clock: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Told of what went wrong without failing the caller: a message not published, a note not taken. */
  readonly onFault: OnFault;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #witnesses = new Set<(message: SessionMessage) => void>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async start(userId: string, device: Device): Promise<Issued> {
    const { store, lifetimes, ring, clock, randomBytes } = this.#options;
    const secret = SessionSecret.random(randomBytes);
    const session = beginSession(secret.fingerprint, userId, device, lifetimes, clock());
    await store.create(session);
    await this.#publish(userTopic(userId), { type: "started", session });
    await this.#endOldest(userId);
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
   * Asks again, for what began with `check` and runs on: a renewal since does not matter, but its
   * deadline does.
   */
  async checkAgain(claims: Claims): Promise<Authentication> {
    return this.#ask(claims, (session) =>
      session.accessExpiresAt <= this.#options.clock() ? "EXPIRED" : undefined,
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
    const { store, clock, onFault } = this.#options;
    const now = clock();
    const session = await store.read(fingerprint, now);
    if (session !== undefined && now - session.lastSeenAt >= lastSeenResolution)
      store
        .touch(fingerprint, now)
        .catch((error: unknown) => onFault("the last use of a session was not noted", error));
    return session;
  }

  /** How many sessions stand, in their order. It counts as no use. */
  async readMany(fingerprints: readonly string[]): ReturnType<SessionStore["readMany"]> {
    return this.#options.store.readMany(fingerprints, this.#options.clock());
  }

  async renew(renewalToken: string): Promise<Renewal> {
    const { ring, clock } = this.#options;
    if (renewalToken === "") return { outcome: "refused", reason: "MISSING" };
    const reading = checkToken(ring, renewalToken, "renewal", clock());
    if (!reading.ok) return { ...reading, outcome: "refused" };
    const { claims } = reading;
    return this.#renew(claims, () => claims.generation);
  }

  /** Renews the session of an authenticated caller, of whatever generation his token is. */
  async rotate(claims: Claims): Promise<Renewal> {
    // The store may be behind the token, if it has lost a renewal.
    return this.#renew(claims, ({ generation }) => Math.max(generation, claims.generation));
  }

  /** The claims of any token of this server: either kind, any generation, expired or not. */
  identify(token: string): Claims | undefined {
    return readToken(this.#options.ring, token).claims;
  }

  /** Ends a session; resolves to how many this call ended: 1, or 0. */
  async end(fingerprint: string, reason: EndReason): Promise<number> {
    const { store, clock } = this.#options;
    let session: Session | undefined;
    try {
      session = await store.end(fingerprint, clock());
    } catch (error) {
      void this.#announce({ type: "uncertain", fingerprint });
      throw error;
    }
    if (session === undefined) {
      // Perhaps by an earlier attempt, whose answer was lost and which therefore told nobody.
      await this.#announce({ type: "uncertain", fingerprint });
      return 0;
    }
    await this.#announce({ type: "ended", fingerprint, session, reason });
    return 1;
  }

  /** Ends a session if it is that user's; resolves to how many this call ended. */
  async endOwn(userId: string, fingerprint: string, reason: EndReason): Promise<number> {
    const session = await this.#options.store.read(fingerprint, this.#options.clock());
    return session?.userId === userId ? this.end(fingerprint, reason) : 0;
  }

  /** Ends all sessions of the user but that one; resolves to how many this call ended. Safe to repeat. */
  async endOthers(userId: string, keep: string, reason: EndReason): Promise<number> {
    const others = (await this.list(userId)).filter(({ fingerprint }) => fingerprint !== keep);
    return inBatches(others, ({ fingerprint }) => this.end(fingerprint, reason));
  }

  /** The user's live sessions, newest first. */
  async list(userId: string): Promise<readonly Session[]> {
    return this.#options.store.ofUser(userId, this.#options.clock());
  }

  /**
   * Tells of every change made through this object, before it is published: what this node did it
   * carries out itself, whether or not the message gets through.
   */
  witness(listener: (message: SessionMessage) => void): () => void {
    this.#witnesses.add(listener);
    return () => this.#witnesses.delete(listener);
  }

  /** Asked when the new session is listed: of logins at once, the last to ask sees all of them. */
  async #endOldest(userId: string): Promise<void> {
    const { maxPerUser, onFault } = this.#options;
    if (maxPerUser === undefined) return;
    try {
      const oldest = beyondLimit(await this.list(userId), maxPerUser);
      await inBatches(oldest, ({ fingerprint }) => this.end(fingerprint, "SESSION_LIMIT"));
    } catch (error) {
      // The login stands; the next one ends what this one left.
      onFault("a user's oldest sessions were not ended", error);
    }
  }

  /** @param generationOf the generation from which the session is to step up */
  async #renew(claims: Claims, generationOf: (session: Session) => number): Promise<Renewal> {
    const { store, lifetimes, ring, clock, isGone } = this.#options;
    const { fingerprint } = claims;
    const known = await store.read(fingerprint, clock());
    if (known === undefined) return { outcome: "refused", reason: "ENDED", claims };
    // Asked before the step: where there is no answer, the token is not used up.
    if (await isGone(known.userId)) {
      await this.end(fingerprint, "USER_GONE");
      return { outcome: "refused", reason: "USER_GONE", claims };
    }
    const request = { generation: generationOf(known), seen: known.generation };
    const renewal = await store.renew(fingerprint, request, lifetimes, clock());
    if (renewal.outcome === "absent") return { outcome: "refused", reason: "ENDED", claims };
    const { outcome, session } = renewal;
    if (outcome === "reused") {
      // Of many at once, one ends it.
      const ended = await this.end(fingerprint, "RENEWAL_REUSED");
      return { outcome: "refused", reason: ended === 1 ? "REUSED" : "ENDED", claims };
    }
    if (outcome === "stepped") await this.#announce({ type: "renewed", fingerprint, session });
    return { outcome: "renewed", session, tokens: mintPair(ring, claims.secret, session) };
  }

  async #announce(message: SessionMessage): Promise<void> {
    const tell = (error: unknown) =>
      this.#options.onFault("a witness of a session's change failed", error);
    for (const listener of this.#witnesses) safely(() => listener(message), tell);
    await this.#publish(sessionTopic(message.fingerprint), message);
  }

  /** The store has the change already, and every node rechecks: a lost message costs time, not truth. */
  async #publish(topic: string, message: SessionMessage | UserMessage): Promise<void> {
    try {
      await this.#options.topics.publish(topic, message);
    } catch (error) {
      this.#options.onFault("a message to the other nodes was not sent", error);
    }
  }
}
