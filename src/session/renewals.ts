/** Renews sessions: one step up for a current token, the same pair again for a late one, the end for a used one. */
import type { Announcements } from "./announcements.ts";
import { lasting, originOf, presented, type Audit } from "./audit.ts";
import type { KeyRing } from "./keys.ts";
import { sessionNetworkOf } from "./network.ts";
import type { Renewal } from "./outcomes.ts";
import type { EndReason } from "./reasons.ts";
import { judgeRenewal, type Device, type Lifetimes, type Session } from "./session.ts";
import type { SessionStore } from "./store.ts";
import { checkToken, mintPair, type Claims } from "./token.ts";

export interface RenewalsOptions {
  readonly store: SessionStore;
  readonly ring: KeyRing;
  readonly lifetimes: Lifetimes;
  /** Whether the user was deleted or locked. */
  readonly isGone: (userId: string) => Promise<boolean>;
  readonly clock: () => number;
  /** Is told of every fact, once. */
  readonly audit?: Audit;
}

export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #announcements: Announcements;
  readonly #end: (fingerprint: string, reason: EndReason) => Promise<number>;

  constructor(
    options: RenewalsOptions,
    announcements: Announcements,
    end: (fingerprint: string, reason: EndReason) => Promise<number>,
  ) {
    this.#options = options;
    this.#announcements = announcements;
    this.#end = end;
  }

  async renew(renewalToken: string, device: Device): Promise<Renewal> {
    return this.#audited(await this.#renew(renewalToken, device), device);
  }

  async rotate(claims: Claims, device: Device): Promise<Renewal> {
    // The store may be behind the token, if it has lost a renewal.
    const generationOf = ({ generation }: Session) => Math.max(generation, claims.generation);
    return this.#audited(await this.#step(claims, generationOf, device), device);
  }

  async #renew(renewalToken: string, device: Device): Promise<Renewal> {
    const { ring, clock } = this.#options;
    if (renewalToken === "") return { outcome: "refused", reason: "MISSING" };
    const reading = checkToken(ring, renewalToken, "renewal", clock());
    if (!reading.ok) return { ...reading, outcome: "refused" };
    const { claims } = reading;
    return this.#step(claims, () => claims.generation, device);
  }

  /** @param generationOf the generation from which the session is to step up */
  async #step(
    claims: Claims,
    generationOf: (session: Session) => number,
    device: Device,
  ): Promise<Renewal> {
    const { store, lifetimes, ring, clock, isGone, audit } = this.#options;
    const { fingerprint, generation } = claims;
    const known = await store.read(fingerprint, clock());
    if (known === undefined) return { outcome: "refused", reason: "ENDED", claims };
    // Asked before the step: where there is no answer, the token is not used up.
    if (await isGone(known.userId)) {
      await this.#end(fingerprint, "USER_GONE");
      return { outcome: "refused", reason: "USER_GONE", claims };
    }
    const network = sessionNetworkOf(device.ipAddress);
    const asked = { generation: generationOf(known), seen: known.generation, network };
    // A token that is used up when it is shown comes after the renewals that are being made, too.
    const isUsedUp = judgeRenewal(known, asked, clock()) === "reuse";
    const request = isUsedUp ? { ...asked, seen: Number.MAX_SAFE_INTEGER } : asked;
    const renewal = await store.renew(fingerprint, request, lifetimes, clock());
    if (renewal.outcome === "absent") return { outcome: "refused", reason: "ENDED", claims };
    const { outcome, session } = renewal;
    if (outcome === "reused") {
      // Of many at once, one ends it.
      let ended: number | undefined;
      try {
        ended = await this.#end(fingerprint, "RENEWAL_REUSED");
      } finally {
        // Also where it is not known whether the session ended: whoever sent the token will not come again.
        const { userId } = session;
        if (ended !== 0)
          audit?.({ event: "reuse", userId, fingerprint, generation, ...originOf(device) });
      }
      if (ended === 0) return { outcome: "refused", reason: "ENDED", claims };
      return { outcome: "refused", reason: "REUSED", claims };
    }
    if (outcome === "stepped") {
      audit?.({ event: "renewal", ...lasting(session, device) });
      await this.#announcements.change({ type: "renewed", fingerprint, session });
    }
    return { outcome: "renewed", session, tokens: mintPair(ring, claims.secret, session) };
  }

  /** A reuse is written down as such. */
  #audited(renewal: Renewal, device: Device): Renewal {
    if (renewal.outcome === "renewed" || renewal.reason === "REUSED") return renewal;
    const { reason, claims } = renewal;
    this.#options.audit?.({ event: "renewalRefused", reason, ...presented(claims, device) });
    return renewal;
  }
}
