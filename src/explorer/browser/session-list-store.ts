/** The user's sessions, as they are now: read anew whenever the server tells of a change. */
import type { Client } from "graphql-ws/client";
import type { Session as ClientSession, SessionState } from "../../client/index.ts";
import { SignedOut } from "../../client/graphql-ws.ts";
import { createStore, type Store } from "./store.ts";

export interface OwnSession {
  readonly id: string;
  readonly current: boolean;
  readonly createdAt: string;
  readonly renewedAt: string;
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
}

/** Undefined until it was read for the session of now. */
export type Own = { readonly email: string; readonly sessions: readonly OwnSession[] } | undefined;

interface Answer {
  readonly viewer: {
    readonly user: { readonly email: string };
    readonly sessions: readonly OwnSession[];
  } | null;
}

/** Milliseconds until a subscription is tried again that was refused, while the session goes on. */
const patience = 5_000;

const events = "subscription ExplorerSessions { sessionEvents { type } }";
const list = `query ExplorerSessions {
  viewer {
    user { email }
    sessions { id current createdAt renewedAt userAgent ipAddress }
  }
}`;

export function watchOwnSessions(session: ClientSession, sockets: Client): Store<Own> {
  const own = createStore<Own>(undefined);
  /** The session whose events are being told. */
  let followed: string | undefined;
  let unsubscribe = () => {};
  let isReading = false;
  let isStale = false;

  function follow(state: SessionState): void {
    const id = idOf(state);
    if (id !== followed) own.set(undefined);
    // The server closes the socket of a session that ended, and says why; so it is left to it.
    if (id === undefined || id === followed) return;
    if (followed !== undefined) {
      // Another login, in this tab or another one: the socket is still the former user's.
      unsubscribe();
      sockets.terminate();
    }
    followed = id;
    const over = (error?: unknown) => {
      if (followed !== id) return;
      followed = undefined;
      if (error instanceof SignedOut) follow(session.state);
      else setTimeout(() => follow(session.state), patience);
    };
    unsubscribe = sockets.subscribe(
      { query: events },
      { next: () => void read(), error: over, complete: over },
    );
  }

  /** Over the same socket, and after the subscription: what changes meanwhile is told. */
  async function read(): Promise<void> {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale) {
      isStale = false;
      const id = idOf(session.state);
      if (id === undefined) break;
      const viewer = await ask().catch(() => undefined);
      if (viewer != null && id === idOf(session.state))
        own.set({ email: viewer.user.email, sessions: viewer.sessions });
    }
    isReading = false;
  }

  async function ask(): Promise<Answer["viewer"] | undefined> {
    for await (const { data } of sockets.iterate<Answer>({ query: list })) return data?.viewer;
    return undefined;
  }

  // Events were missed while there was no socket.
  sockets.on("connected", () => void read());
  session.subscribe(follow);
  follow(session.state);
  return own;
}

function idOf(state: SessionState): string | undefined {
  return state.status === "signedIn" ? state.sessionId : undefined;
}
