/** Renews sessions: one step up for a current token, the same pair again for a replay, the end for a used one. */
import type { SessionNotifier } from "./notifier.ts";
import { sessionFields, clientOriginOf, tokenFields, type Audit } from "./audit.ts";
import type { KeyRing } from "./keys.ts";
import { sessionNetworkOf } from "../lib/client-network.ts";
import type { Renewal } from "./outcomes.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import { decideRenewal, type Device, type Lifetimes, type Session } from "./session.ts";
import type { SessionStore } from "./store.ts";
import { checkToken, mintPair, type Claims } from "./token.ts";

export interface RenewalsOptions {
  readonly store: SessionStore;
  readonly ring: KeyRing;
  readonly lifetimes: Lifetimes;
  /** Whether the user was deleted or locked. */
  readonly isUserDisabled: (userId: string) => Promise<boolean>;
  readonly clock: () => number;
  /** Is told of every fact, once. */
  readonly audit?: Audit;
  /** Whether foreign replays end a session or are written down only: see `judgeRenewal`. Default: "end". */
  readonly foreignReplays?: "end" | "audit";
}

export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #announcements: SessionNotifier;
  readonly #end: (fingerprint: string, reason: EndReason) => Promise<number>;

  constructor(
    options: RenewalsOptions,
    announcements: SessionNotifier,
    end: (fingerprint: string, reason: EndReason) => Promise<number>,
  ) {
    this.#options = options;
    this.#announcements = announcements;
    this.#end = end;
  }

  async renew(renewalToken: string, device: Device): Promise<Renewal> {
    return this.#audited(await this.#renew(renewalToken, device), device);
  }

  /** Whether the user is gone is not asked: the session is live, and where a lock is under way, that ends it. */
  async reissue(claims: Claims, device: Device): Promise<Renewal> {
    const { store, lifetimes, ring, clock } = this.#options;
    const { fingerprint, generation: atLeast } = claims;
    const request = { atLeast, network: sessionNetworkOf(device.ipAddress) };
    let session: Session | undefined;
    try {
      session = await store.reissue(fingerprint, request, lifetimes, clock());
    } catch (error) {
      // Perhaps it was done: then whatever runs under the session is to find out.
      void this.#announcements.change({ type: "uncertain", fingerprint });
      throw error;
    }
    if (session === undefined)
      return this.#audited({ outcome: "refused", reason: "ENDED", claims }, device);
    await this.#stepped(session, device);
    return { outcome: "renewed", session, tokens: mintPair(ring, claims.secret, session) };
  }

  async #renew(renewalToken: string, device: Device): Promise<Renewal> {
    const { ring, clock } = this.#options;
    if (renewalToken === "") return { outcome: "refused", reason: "MISSING" };
    const reading = checkToken(ring, renewalToken, "renewal", clock());
    if (!reading.ok) return { ...reading, outcome: "refused" };
    return this.#step(reading.claims, device);
  }

  async #step(claims: Claims, device: Device): Promise<Renewal> {
    const { store, lifetimes, ring, clock, isUserDisabled, audit, foreignReplays } = this.#options;
    const { fingerprint, generation } = claims;
    const known = await store.read(fingerprint, clock());
    if (known === undefined) return { outcome: "refused", reason: "ENDED", claims };
    // Asked before the step: where there is no answer, the token is not used up.
    if (await isUserDisabled(known.userId)) {
      await this.#end(fingerprint, "USER_GONE");
      return { outcome: "refused", reason: "USER_GONE", claims };
    }
    const network = sessionNetworkOf(device.ipAddress);
    const followingEnds = foreignReplays !== "audit";
    const asked = { generation, generationAtRead: known.generation, network, followingEnds };
    const verdict = decideRenewal(known, asked, clock());
    if (verdict === "superseded") return { outcome: "refused", reason: "SUPERSEDED", claims };
    // A token that is used up when it is shown comes after the renewals that are being made, too.
    const isUsedUp = verdict === "reuse";
    const request = isUsedUp ? { ...asked, generationAtRead: Number.MAX_SAFE_INTEGER } : asked;
    const renewal = await store.renew(fingerprint, request, lifetimes, clock());
    if (renewal.outcome === "absent") return { outcome: "refused", reason: "ENDED", claims };
    const { outcome, session } = renewal;
    if (outcome === "superseded") return { outcome: "refused", reason: "SUPERSEDED", claims };
    if (outcome === "reused") {
      // Of many at once, one ends it.
      let ended: number | undefined;
      try {
        ended = await this.#end(fingerprint, "RENEWAL_REUSED");
      } finally {
        // Also where it is not known whether the session ended: whoever sent the token will not come again.
        const { userId } = session;
        if (ended !== 0)
          audit?.({ event: "reuse", userId, fingerprint, generation, ...clientOriginOf(device) });
      }
      if (ended === 0) return { outcome: "refused", reason: "ENDED", claims };
      return { outcome: "refused", reason: "REUSED", claims };
    }
    if (outcome === "stepped") await this.#stepped(session, device);
    if (outcome === "convergedForeign") {
      const { userId } = session;
      const { ipAddress: address } = device;
      audit?.({
        event: "foreignReplay",
        userId,
        fingerprint,
        generation,
        ...clientOriginOf(device),
      });
      await this.#announcements.change({ type: "replayed", fingerprint, session, address });
    }
    return { outcome: "renewed", session, tokens: mintPair(ring, claims.secret, session) };
  }

  async #stepped(session: Session, device: Device): Promise<void> {
    const { fingerprint } = session;
    this.#options.audit?.({ event: "renewal", ...sessionFields(session, device) });
    await this.#announcements.change({ type: "renewed", fingerprint, session });
  }

  /** A reuse is written down as such. */
  #audited(renewal: Renewal, device: Device): Renewal {
    if (renewal.outcome === "renewed" || renewal.reason === "REUSED") return renewal;
    const { reason, claims } = renewal;
    this.#options.audit?.({ event: "renewalRefused", reason, ...tokenFields(claims, device) });
    return renewal;
  }
}
