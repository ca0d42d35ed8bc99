/** The user's current sessions: read again whenever the server reports a change. */
import type { Client } from "graphql-ws/client";
import type { Session as ClientSession, SessionState } from "../../client/index.ts";
import { SignedOut } from "../../client/graphql-ws.ts";
import { createStore, type Store } from "./store.ts";

export interface SessionEntry {
  readonly id: string;
  readonly current: boolean;
  readonly createdAt: string;
  readonly renewedAt: string;
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
}

/** Undefined until the list of the current session is read. */
export type SessionListState =
  { readonly email: string; readonly sessions: readonly SessionEntry[] } | undefined;

interface SessionListResult {
  readonly viewer: {
    readonly user: { readonly email: string };
    readonly sessions: readonly SessionEntry[];
  } | null;
}

/** How long to wait before retrying a refused subscription while the session lasts (ms). */
const resubscribeDelay = 5_000;

const eventsSubscription = "subscription ExplorerSessions { sessionEvents { type } }";
const sessionsQuery = `query ExplorerSessions {
  viewer {
    user { email }
    sessions { id current createdAt renewedAt userAgent ipAddress }
  }
}`;

export function createSessionListStore(
  session: ClientSession,
  sockets: Client,
): Store<SessionListState> {
  const store = createStore<SessionListState>(undefined);
  /** The session of the subscription. */
  let subscribedId: string | undefined;
  let unsubscribe = () => {};
  let isReading = false;
  let isStale = false;

  function subscribeTo(state: SessionState): void {
    const id = idOf(state);
    if (id !== subscribedId) store.set(undefined);
    // The server closes the socket of an ended session, with the reason.
    if (id === undefined || id === subscribedId) return;
    if (subscribedId !== undefined) {
      // After another login, in this tab or another, the socket still belongs to the previous user.
      unsubscribe();
      sockets.terminate();
    }
    subscribedId = id;
    const onEnd = (error?: unknown) => {
      if (subscribedId !== id) return;
      subscribedId = undefined;
      if (error instanceof SignedOut) subscribeTo(session.state);
      else setTimeout(() => subscribeTo(session.state), resubscribeDelay);
    };
    unsubscribe = sockets.subscribe(
      { query: eventsSubscription },
      { next: () => void read(), error: onEnd, complete: onEnd },
    );
  }

  /** Reads over the same socket, after the subscription, so that it misses no change. */
  async function read(): Promise<void> {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale) {
      isStale = false;
      const id = idOf(session.state);
      if (id === undefined) break;
      const viewer = await query().catch(() => undefined);
      if (viewer != null && id === idOf(session.state))
        store.set({ email: viewer.user.email, sessions: viewer.sessions });
    }
    isReading = false;
  }

  async function query(): Promise<SessionListResult["viewer"] | undefined> {
    for await (const { data } of sockets.iterate<SessionListResult>({ query: sessionsQuery }))
      return data?.viewer;
    return undefined;
  }

  // Events are missed while the socket is closed.
  sockets.on("connected", () => void read());
  session.subscribe(subscribeTo);
  subscribeTo(session.state);
  return store;
}

function idOf(state: SessionState): string | undefined {
  return state.status === "signedIn" ? state.sessionId : undefined;
}
