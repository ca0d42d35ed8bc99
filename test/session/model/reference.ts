/** The reference model: the rules of sessions on plain fields, without store, messages or cryptography. */
import { day, lifetimes as defaults } from "../../helpers/domain.ts";

/** The absolute lifetime is so short that a few renewals reach it. */
export const lifetimes = { ...defaults, absolute: 45 * day };

export interface ModelSession {
  readonly fingerprint: string;
  readonly user: string;
  readonly createdAt: number;
  generation: number;
  accessExpiresAt: number;
  idleExpiresAt: number;
  graceEndsAt: number;
  minGeneration: number;
  ended: boolean;
}

export interface ModelToken {
  readonly session: ModelSession;
  readonly kind: "access" | "renewal";
  readonly generation: number;
  readonly expiresAt: number;
  /** The number of the key that signed it: keys are numbered as they are added. */
  readonly key: number;
  readonly text: string;
}

export class Reference {
  now: number;
  readonly sessions: ModelSession[] = [];
  readonly tokens: ModelToken[] = [];
  oldestKey = 0;
  newestKey = 0;

  constructor(now: number) {
    this.now = now;
  }

  start(fingerprint: string, user: string): ModelSession {
    const session = {
      fingerprint,
      user,
      createdAt: this.now,
      generation: 0,
      accessExpiresAt: 0,
      idleExpiresAt: 0,
      graceEndsAt: this.now,
      minGeneration: 0,
      ended: false,
    };
    this.#extend(session);
    this.sessions.push(session);
    return session;
  }

  /** The result of an access check. */
  access(token: ModelToken): string {
    const refusal = this.#refusal(token, "access");
    if (refusal !== undefined) return refusal;
    return token.generation < token.session.generation ? "SUPERSEDED" : "signedIn";
  }

  /** Applies a renewal with the token and returns its result. */
  renew(token: ModelToken): string {
    const refusal = this.#refusal(token, "renewal");
    if (refusal !== undefined) return refusal;
    const { session } = token;
    if (token.generation < session.minGeneration) return "SUPERSEDED";
    const age = session.generation - token.generation;
    if (age === 1 && this.now < session.graceEndsAt) return "renewed";
    if (age === 0) {
      session.generation += 1;
      session.graceEndsAt = this.now + lifetimes.grace;
      this.#extend(session);
      return "renewed";
    }
    session.ended = true;
    return "REUSED";
  }

  /** Reissues the session and returns the result. */
  reissue(session: ModelSession): string {
    if (!this.isLive(session)) return "ENDED";
    session.generation += 1;
    session.minGeneration = session.generation;
    session.graceEndsAt = this.now;
    this.#extend(session);
    return "renewed";
  }

  /** Applies a logout with the token and returns the number of ended sessions. */
  logout(token: ModelToken): number {
    return token.generation < token.session.minGeneration ? 0 : this.end(token.session);
  }

  end(session: ModelSession): number {
    const live = this.isLive(session);
    session.ended = true;
    return live ? 1 : 0;
  }

  liveOf(user: string): ModelSession[] {
    return this.sessions.filter((session) => session.user === user && this.isLive(session));
  }

  isLive(session: ModelSession): boolean {
    return !session.ended && this.now < session.idleExpiresAt;
  }

  /** Whether a key of the ring signed the token. */
  isSigned(token: ModelToken): boolean {
    return token.key >= this.oldestKey;
  }

  #refusal(token: ModelToken, kind: ModelToken["kind"]): string | undefined {
    if (!this.isSigned(token)) return "BAD_SIGNATURE";
    if (token.kind !== kind) return "WRONG_KIND";
    if (this.now >= token.expiresAt) return "EXPIRED";
    return this.isLive(token.session) ? undefined : "ENDED";
  }

  #extend(session: ModelSession): void {
    const end = session.createdAt + lifetimes.absolute;
    session.idleExpiresAt = Math.min(this.now + lifetimes.renewal, end);
    session.accessExpiresAt = Math.min(this.now + lifetimes.access, end);
  }
}
