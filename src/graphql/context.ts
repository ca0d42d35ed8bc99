/** The context of every resolver: the caller, its session and the services of the node. */
import type { Audit } from "../session/audit.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Session } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Stream } from "../lib/bounded-queue.ts";
import type { SessionEvent } from "../session/watch.ts";
import type { Accounts } from "../users/accounts.ts";
import type { UserDirectory } from "../users/directory.ts";
import type { Throttle } from "../users/throttling.ts";
import type { Caller } from "./caller.ts";
import { serviceUnavailable, unauthenticated } from "./errors.ts";
import type { Events } from "./events.ts";

export interface Services {
  readonly sessions: Sessions;
  readonly accounts: Accounts;
  readonly throttle: Throttle;
  readonly users: UserDirectory;
  /** Publishes and subscribes to the app's own messages, on all nodes. */
  readonly events: Events;
  /** Writes a fact into the audit trail. */
  readonly audit: Audit;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly watch: (userId: string) => Promise<Stream<SessionEvent>>;
}

/** The context of Curfew's resolvers and of the app's. */
export interface CurfewContext extends Services {
  readonly caller: Caller;
  /** The caller's session at the start of the request; null if the caller is signed out. See `requireSession`. */
  readonly session: Session | null;
}

/** A session as the caller sees it. */
export interface SessionView {
  readonly session: Session;
  readonly current: boolean;
}

export function createContext(services: Services, caller: Caller): CurfewContext {
  const { authentication } = caller;
  const session = authentication.state === "signedIn" ? authentication.session : null;
  return { ...services, caller, session };
}

/**
 * Returns the caller's session, which has not ended since the request began.
 *
 * @throws {GraphQLError} `UNAUTHENTICATED` without a session, `SERVICE_UNAVAILABLE` if the store does not answer.
 */
export function requireSession({ caller }: CurfewContext): Session {
  const { authentication, lifecycle } = caller;
  if (
    authentication.state === "signedIn" &&
    lifecycle.closeReason === undefined &&
    !lifecycle.isRevoked
  )
    return authentication.session;
  if (authentication.state === "unavailable") throw serviceUnavailable();
  const begun = authentication.state === "signedIn";
  const reason = begun ? refusalAfterClose(lifecycle) : authentication.reason;
  const { endReason } = begun ? lifecycle : authentication;
  caller.noteRefusal(reason, authentication.claims);
  throw unauthenticated(reason, { begun, endReason });
}

/** The reason why an operation that began under a live session may resolve no further guarded field. */
function refusalAfterClose({ closeReason, isRevoked }: Caller["lifecycle"]): RefusalReason {
  if (closeReason === "SESSION_EXPIRED") return "EXPIRED";
  return isRevoked && closeReason !== "SESSION_ENDED" ? "SUPERSEDED" : "ENDED";
}
