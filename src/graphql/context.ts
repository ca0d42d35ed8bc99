/** What every resolver gets: who is asking, and the services to serve him with. */
import type { GraphQLError } from "graphql";
import type { Life } from "../session/life.ts";
import type { RefusalReason } from "../session/reasons.ts";
import type { Device, Session } from "../session/session.ts";
import type { Authentication, Sessions } from "../session/sessions.ts";
import type { Stream } from "../session/stream.ts";
import type { SessionEvent } from "../session/watch.ts";
import type { Claims } from "../session/token.ts";
import type { Accounts } from "../users/accounts.ts";
import type { UserDirectory } from "../users/directory.ts";
import { serviceUnavailable, unauthenticated } from "./errors.ts";
import type { Events } from "./events.ts";

/** A place in the life of a session. */
export type Entry =
  { readonly life: Life; readonly leave: () => void } | { readonly error: GraphQLError };

/** One request, or one operation on a socket, as the transport saw it. */
export interface Caller {
  readonly authentication: Authentication;
  readonly device: Device;
  /** Of the socket that the operation came by. */
  readonly life?: Life;
  /** Takes a place in the life of the caller's session; absent when he has none. */
  readonly enter?: () => Promise<Entry>;
  /** Lets the answer of this operation leave before the end that it causes closes its own socket. */
  readonly holdForReply?: () => void;
  /** Whether it does: of all answers only this one goes out after the end. */
  readonly isHeld?: () => boolean;
  /** Logs why the caller is not signed in; once per request, however often it is called. */
  readonly noteRefusal: (reason: RefusalReason, claims?: Claims) => void;
}

export interface Services {
  readonly sessions: Sessions;
  readonly accounts: Accounts;
  readonly users: UserDirectory;
  /** The app's own messages between resolvers, on all nodes. */
  readonly events: Events;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly watch: (userId: string) => Promise<Stream<SessionEvent>>;
}

/** The context of Curfew's resolvers and of the app's. */
export interface CurfewContext extends Services {
  readonly caller: Caller;
  /** The session of the request, while it is alive; null when signed out. */
  readonly session: Session | null;
}

/** A session as the caller sees it. */
export interface SessionView {
  readonly session: Session;
  readonly current: boolean;
}

export function createContext(services: Services, caller: Caller): CurfewContext {
  return {
    ...services,
    caller,
    get session() {
      const { authentication, life } = caller;
      return authentication.state === "signedIn" && life?.ending === undefined
        ? authentication.session
        : null;
    },
  };
}

/**
 * The session of the request.
 *
 * @throws GraphQLError `UNAUTHENTICATED` when there is none, `SERVICE_UNAVAILABLE` when that is unknown.
 */
export function requireSession(context: CurfewContext): Session {
  const { session, caller } = context;
  if (session !== null) return session;
  const { authentication } = caller;
  if (authentication.state === "unavailable") throw serviceUnavailable();
  const reason = authentication.state === "refused" ? authentication.reason : "ENDED";
  caller.noteRefusal(reason, authentication.claims);
  throw unauthenticated(reason);
}
