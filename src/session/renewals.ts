/** Renews and reissues sessions: stores the decision, publishes and audits it, and mints the tokens. */
import type { RecentEnds } from "./ends.ts";
import type { SessionNotifier } from "./notifier.ts";
import { sessionFields, clientOriginOf, tokenFields, type Audit } from "./audit.ts";
import type { KeyRing } from "./keys.ts";
import { sessionNetworkOf } from "../lib/client-network.ts";
import type { Renewal } from "./outcomes.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import { decideRenewal, type RenewalRequest } from "./renewal-rules.ts";
import type { Device, Lifetimes, Session } from "./session.ts";
import type { SessionStore } from "./store.ts";
import { checkToken, mintPair, type Claims } from "./token.ts";
import {
  isOutdated,
  outdatedReason,
  type SecurityVersion,
  type UserStatus,
} from "./user-status.ts";

export interface RenewalsOptions {
  readonly store: SessionStore;
  readonly ring: KeyRing;
  readonly lifetimes: Lifetimes;
  /** The recent ends that this node knows. Their sessions are refused without asking the store. Default: none */
  readonly ends?: RecentEnds;
  readonly userStatus: (userId: string) => Promise<UserStatus>;
  /**
   * Waits while a password change may be between its two steps: it raises the user's security version, and then that
   * of the caller's session. Default: does not wait
   */
  readonly passwordChangePause?: () => Promise<unknown>;
  readonly clock: () => number;
  /** Receives every fact once. */
  readonly audit?: Audit;
  /** Whether foreign replays end a session or are only audited: see `decideRenewal`. Default: "end". */
  readonly foreignReplays?: "end" | "audit";
}

/** The parts of `Sessions` that end a session and return why one ended. */
interface Ends {
  readonly end: (fingerprint: string, reason: EndReason) => Promise<number>;
  readonly endReason: (fingerprint: string) => Promise<EndReason | undefined>;
}

export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #notifier: SessionNotifier;
  readonly #ends: Ends;

  constructor(options: RenewalsOptions, notifier: SessionNotifier, ends: Ends) {
    this.#options = options;
    this.#notifier = notifier;
    this.#ends = ends;
  }

  async renew(renewalToken: string, device: Device): Promise<Renewal> {
    return this.#audited(await this.#renew(renewalToken, device), device);
  }

  /** Does not look the user up: the session is live, and a lock that is in progress ends it. */
  async reissue(claims: Claims, device: Device, securityVersion?: number): Promise<Renewal> {
    return this.#audited(await this.#reissue(claims, device, securityVersion), device);
  }

  /**
   * Resolves to the session, or to undefined if it is outdated.
   *
   * Reads it again before that: the session that changed the password gets the user's new version one step after the
   * user, and its own change must not end it.
   */
  async confirmed(session: Session, user: SecurityVersion): Promise<Session | undefined> {
    if (!isOutdated(session, user)) return session;
    const { store, clock, passwordChangePause } = this.#options;
    if (user.securityReason === "PASSWORD_CHANGED") await passwordChangePause?.();
    const current = await store.read(session.fingerprint, clock());
    return current !== undefined && !isOutdated(current, user) ? current : undefined;
  }

  async #renew(renewalToken: string, device: Device): Promise<Renewal> {
    const { ring, clock } = this.#options;
    if (renewalToken === "") return { outcome: "refused", reason: "MISSING" };
    const reading = checkToken(ring, renewalToken, "renewal", clock());
    if (!reading.ok) return { ...reading, outcome: "refused" };
    return this.#renewVerified(reading.claims, device);
  }

  async #renewVerified(claims: Claims, device: Device): Promise<Renewal> {
    const { store, lifetimes, clock, userStatus, foreignReplays } = this.#options;
    const { fingerprint, generation } = claims;
    const knownEnd = this.#refusedByKnownEnd(claims);
    if (knownEnd !== undefined) return knownEnd;
    const read = await store.read(fingerprint, clock());
    if (read === undefined) return this.#refusedAsEnded(claims);
    // Before the rotation: if the directory does not answer, the token is not used up.
    const user = await userStatus(read.userId);
    if (user.disabled) {
      await this.#ends.end(fingerprint, "USER_GONE");
      return refused("USER_GONE", claims, "USER_GONE");
    }
    const known = await this.confirmed(read, user);
    if (known === undefined) {
      const endReason = outdatedReason(user);
      const count = await this.#ends.end(fingerprint, endReason);
      return refused("ENDED", claims, count > 0 ? endReason : undefined);
    }
    const requested: RenewalRequest = {
      generation,
      generationAtRead: known.generation,
      network: sessionNetworkOf(device.ipAddress),
      foreignReplaysEnd: foreignReplays !== "audit",
    };
    const decision = decideRenewal(known, requested, clock());
    if (decision === "superseded") return refused("SUPERSEDED", claims);
    // A token that is used up at the read also comes after the renewals that are in flight.
    const isUsedUp = decision === "reuse";
    let isPublished = false;
    const request = {
      ...requested,
      ...(isUsedUp && { generationAtRead: Number.MAX_SAFE_INTEGER }),
      onPublished: () => (isPublished = true),
    };
    const renewal = await store.renew(fingerprint, request, lifetimes, clock());
    switch (renewal.outcome) {
      case "absent":
        return this.#refusedAsEnded(claims, renewal.endReason);
      case "superseded":
        return refused("SUPERSEDED", claims);
      case "reused":
        return this.#endReused(renewal.session, claims, device);
      case "rotated":
        await this.#rotated(renewal.session, device, isPublished);
        break;
      case "foreignReplay":
        await this.#replayedForeign(renewal.session, generation, device);
        break;
      case "replayed":
        break;
    }
    return this.#renewed(renewal.session, claims);
  }

  async #reissue(claims: Claims, device: Device, securityVersion?: number): Promise<Renewal> {
    const { store, lifetimes, clock } = this.#options;
    const { fingerprint, generation: atLeast } = claims;
    const knownEnd = this.#refusedByKnownEnd(claims);
    if (knownEnd !== undefined) return knownEnd;
    const request = {
      atLeast,
      network: sessionNetworkOf(device.ipAddress),
      ...(securityVersion !== undefined && { securityVersion }),
    };
    let session: Session | undefined;
    let isPublished = false;
    const onPublished = () => (isPublished = true);
    try {
      session = await store.reissue(fingerprint, { ...request, onPublished }, lifetimes, clock());
    } catch (error) {
      // The store may have done it: every node must recheck the session's connections.
      void this.#notifier.change({ type: "uncertain", fingerprint });
      throw error;
    }
    if (session === undefined) return this.#refusedAsEnded(claims);
    await this.#rotated(session, device, isPublished);
    return this.#renewed(session, claims);
  }

  /** Mints the new tokens, unless this node has learned meanwhile that the session ended: the store may have lost that. */
  #renewed(session: Session, claims: Claims): Renewal {
    const knownEnd = this.#refusedByKnownEnd(claims);
    if (knownEnd !== undefined) return knownEnd;
    const tokens = mintPair(this.#options.ring, claims.secret, session);
    return { outcome: "renewed", session, tokens };
  }

  /** Refuses without asking the store, if this node knows that the session ended. */
  #refusedByKnownEnd(claims: Claims): Renewal | undefined {
    const end = this.#options.ends?.get(claims.fingerprint);
    return end && refused("ENDED", claims, end.reason);
  }

  /** Of concurrent reuses, only one ends the session and is audited as reuse. */
  async #endReused({ userId }: Session, claims: Claims, device: Device): Promise<Renewal> {
    const { fingerprint, generation } = claims;
    let ended: number | undefined;
    try {
      ended = await this.#ends.end(fingerprint, "RENEWAL_REUSED");
    } finally {
      // Also if it is unknown whether the session ended: the client that sent the token may not retry.
      if (ended !== 0)
        this.#options.audit?.({
          event: "reuse",
          userId,
          fingerprint,
          generation,
          ...clientOriginOf(device),
        });
    }
    return ended === 0 ? this.#refusedAsEnded(claims) : refused("REUSED", claims, "RENEWAL_REUSED");
  }

  /** @param known why it ended, if the store has returned that */
  async #refusedAsEnded(claims: Claims, known?: EndReason): Promise<Renewal> {
    return refused("ENDED", claims, known ?? (await this.#ends.endReason(claims.fingerprint)));
  }

  async #rotated(session: Session, device: Device, isPublished: boolean): Promise<void> {
    const { fingerprint } = session;
    this.#options.audit?.({ event: "renewal", ...sessionFields(session, device) });
    await this.#notifier.change({ type: "renewed", fingerprint, session }, isPublished);
  }

  /** @param generation that of the token */
  async #replayedForeign(session: Session, generation: number, device: Device): Promise<void> {
    const { userId, fingerprint } = session;
    this.#options.audit?.({
      event: "foreignReplay",
      userId,
      fingerprint,
      generation,
      ...clientOriginOf(device),
    });
    const { ipAddress: address } = device;
    await this.#notifier.change({ type: "replayed", fingerprint, session, address });
  }

  /** Audits a refusal. A reuse has been audited as such. */
  #audited(renewal: Renewal, device: Device): Renewal {
    if (renewal.outcome === "renewed" || renewal.reason === "REUSED") return renewal;
    const { reason, claims } = renewal;
    this.#options.audit?.({ event: "renewalRefused", reason, ...tokenFields(claims, device) });
    return renewal;
  }
}

function refused(reason: RefusalReason, claims: Claims, endReason?: EndReason): Renewal {
  return { outcome: "refused", reason, claims, ...(endReason && { endReason }) };
}
