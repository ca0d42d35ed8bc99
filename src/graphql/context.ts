/** What every resolver gets: who is asking, and the services to serve him with. */
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
  /** The app's own messages between resolvers, on all nodes. */
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
  /** The session of the request when it began; null when signed out. See `requireSession`. */
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
 * The session of the request, which has not ended since it began.
 *
 * @throws GraphQLError `UNAUTHENTICATED` when there is none, `SERVICE_UNAVAILABLE` when that is unknown.
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
  const reason = begun ? whyStopped(caller.lifecycle) : authentication.reason;
  caller.noteRefusal(reason, authentication.claims);
  throw unauthenticated(reason, begun);
}

/** Why an operation that began under a live session may start no guarded field any more. */
function whyStopped({ closeReason: ending, isRevoked }: Caller["lifecycle"]): RefusalReason {
  if (ending === "SESSION_EXPIRED") return "EXPIRED";
  return isRevoked && ending !== "SESSION_ENDED" ? "SUPERSEDED" : "ENDED";
}
