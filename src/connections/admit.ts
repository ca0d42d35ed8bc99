/** Lets something long-lived run under its session, or ends it and says why in the log. */
import type { Stay } from "../graphql/caller.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { ConcurrencyLimiter } from "../lib/concurrency-limiter.ts";
import type { OnFault } from "../lib/report-error.ts";
import type { Ending } from "./lifecycle.ts";
import { networkPathOf } from "../lib/client-network.ts";
import type { Session } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { RefusalReason } from "../protocol/reasons.ts";
import type { Claims } from "../session/token.ts";
import type { Connections } from "./connections.ts";
import type { Member } from "./session-connections.ts";
import type { Note, Refusal } from "./refusals.ts";

export interface AdmissionOptions {
  readonly connections: Connections;
  /** Shared by all: how many may ask the store at once. A client is a session at an address. */
  readonly turns: ConcurrencyLimiter;
  /** Milliseconds that it may take. */
  readonly admissionTimeout: number;
  /** Counts what long-lived operations keep. */
  readonly ledger?: MemoryLedger;
  readonly onFault: OnFault;
}

const endings = {
  MISSING: "UNAUTHENTICATED",
  MALFORMED: "UNAUTHENTICATED",
  BAD_SIGNATURE: "UNAUTHENTICATED",
  WRONG_KIND: "UNAUTHENTICATED",
  EXPIRED: "EXPIRED",
  SUPERSEDED: "EXPIRED",
  ENDED: "ENDED",
  REUSED: "ENDED",
  USER_GONE: "ENDED",
} as const satisfies Record<RefusalReason, Ending>;

/** How a life ends whose token is refused so. */
export function endingFor(reason: RefusalReason): Ending {
  return endings[reason];
}

export interface Applicant {
  readonly claims: Claims;
  readonly member: Member;
  /** Asks the store about the session. */
  readonly check: () => Promise<Authentication>;
  readonly note: Note;
  readonly stay: Stay;
}

/** The session that the member runs under from now on; undefined when its life has ended. */
export async function admit(
  { claims, member, check, note, stay }: Applicant,
  { connections, turns, admissionTimeout, onFault }: AdmissionOptions,
): Promise<Session | undefined> {
  const { life } = member;
  const turnAway = (reason: Refusal["reason"], ending: Ending) => {
    note(reason, claims);
    life.end(ending);
    return undefined;
  };
  const client = [...networkPathOf(member.device.ipAddress), claims.fingerprint];
  const turn = turns.run(client, async () =>
    // It may have ended, or been turned away, while it waited.
    life.ending === undefined ? connections.admit(claims, member, check, stay) : undefined,
  );
  let admission;
  try {
    admission = await inTime(turn, admissionTimeout);
  } catch (error) {
    onFault("a session could not be checked", error);
    return turnAway("STORE_UNAVAILABLE", "UNAVAILABLE");
  }
  if (admission === "busy") return turnAway("BUSY", "UNAVAILABLE");
  switch (admission?.state) {
    case undefined:
      return life.ending === undefined ? turnAway("TIMEOUT", "UNAVAILABLE") : undefined;
    case "unavailable":
      return turnAway("STORE_UNAVAILABLE", "UNAVAILABLE");
    case "tooMany":
      return turnAway("TOO_MANY_CONNECTIONS", "TOO_MANY");
    case "refused":
      return turnAway(admission.reason, endingFor(admission.reason));
    case "signedIn":
      // It may have ended, or its client left, while it was checked.
      return life.ending === undefined ? admission.session : undefined;
  }
}

/** Undefined when it takes longer; what comes later is nobody's, errors included. */
async function inTime<T>(promise: Promise<T>, time: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, time, undefined);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
