/** Reads sessions to accept or refuse their tokens. Refuses a session that this node knows to have ended, whatever the store says. */
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { ReportError } from "../lib/report-error.ts";
import { timedOut, withTimeout } from "../lib/timeout.ts";
import type { RecentEnds } from "./ends.ts";
import type { Authentication } from "./outcomes.ts";
import { lastSeenResolution, type Session } from "./session.ts";
import { StoreUnavailable, type SessionLookup, type SessionStore } from "./store.ts";
import type { Claims } from "./token.ts";

export interface SessionAccessOptions {
  readonly store: SessionStore;
  /** Default: the store alone decides */
  readonly ends?: RecentEnds;
  readonly clock: () => number;
  readonly reportError: ReportError;
}

/** How long a refusal waits for the reason of the end (ms). */
const endReasonTimeout = 500;

export class SessionAccess {
  readonly #options: SessionAccessOptions;

  constructor(options: SessionAccessOptions) {
    this.#options = options;
  }

  /** Reads the session of a verified access token. */
  async check(claims: Claims): Promise<Authentication> {
    return this.#check(claims, (session) =>
      claims.generation < session.generation ? "SUPERSEDED" : undefined,
    );
  }

  /** Reads it again: a renewal since the last check supersedes the token only below `minGeneration`. */
  async checkAgain(claims: Claims): Promise<Authentication> {
    return this.#check(claims, (session) =>
      claims.generation < session.minGeneration ? "SUPERSEDED" : undefined,
    );
  }

  /** Why a session ended. Resolves to undefined if that is not known, or if the store does not answer in time. */
  async endReason(fingerprint: string): Promise<EndReason | undefined> {
    const { store, ends, clock, reportError } = this.#options;
    const known = ends?.get(fingerprint);
    if (known !== undefined || store.endReason === undefined) return known?.reason;
    try {
      const now = clock();
      const reason = await withTimeout(store.endReason(fingerprint, now), endReasonTimeout);
      if (reason === timedOut || reason === undefined) return undefined;
      // Another store, for example after a failover, may not have the end that this one states.
      ends?.add({ fingerprint, reason, at: now });
      return reason;
    } catch (error) {
      reportError("the reason of an end was not read", error);
      return undefined;
    }
  }

  /** Reads many sessions, in the order of the fingerprints. The read does not count as a use of them. */
  async readMany(fingerprints: readonly string[]): Promise<readonly SessionLookup[]> {
    const { store, clock } = this.#options;
    const others = fingerprints.filter((fingerprint) => !this.#hasEnded(fingerprint));
    const lookups = others.length > 0 ? await store.readMany(others, clock()) : [];
    const found = new Map(others.map((fingerprint, i) => [fingerprint, lookups[i]]));
    return fingerprints.map((fingerprint) =>
      this.#hasEnded(fingerprint) ? { state: "absent" } : (found.get(fingerprint) ?? unanswered()),
    );
  }

  async #check(
    claims: Claims,
    refusalOf: (session: Session) => RefusalReason | undefined,
  ): Promise<Authentication> {
    const { fingerprint } = claims;
    let session: Session | undefined;
    try {
      session = this.#hasEnded(fingerprint) ? undefined : await this.#read(fingerprint);
    } catch (cause) {
      if (cause instanceof StoreUnavailable) return { state: "unavailable", claims, cause };
      throw cause;
    }
    // The store may have read the session before it ended.
    if (session === undefined || this.#hasEnded(fingerprint)) {
      const endReason = await this.endReason(fingerprint);
      return { state: "refused", reason: "ENDED", claims, ...(endReason && { endReason }) };
    }
    const reason = refusalOf(session);
    return reason === undefined
      ? { state: "signedIn", session, claims }
      : { state: "refused", reason, claims };
  }

  /** Reads a live session. The read counts as a use of it. */
  async #read(fingerprint: string): Promise<Session | undefined> {
    const { store, clock, reportError } = this.#options;
    const now = clock();
    const session = await store.read(fingerprint, now);
    if (session !== undefined && now - session.lastSeenAt >= lastSeenResolution)
      store
        .touch(fingerprint, now)
        .catch((error: unknown) =>
          reportError("the last use of a session was not recorded", error),
        );
    return session;
  }

  #hasEnded(fingerprint: string): boolean {
    return this.#options.ends?.get(fingerprint) !== undefined;
  }
}

/** The result for a session that the store left out. */
function unanswered(): SessionLookup {
  return {
    state: "unknown",
    cause: new StoreUnavailable("The store did not answer for a session"),
  };
}
