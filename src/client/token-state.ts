/** The tokens of the session that this tab is signed in to, in sync with the other tabs and the storage. */
import type { EndReason, SessionState, SignedOutReason } from "./types.ts";
import { elapsedClock, type Platform } from "./platform.ts";
import {
  isStoredTokens,
  tokenStorage,
  type StoredTokens,
  type TokenStorage,
} from "./stored-tokens.ts";
import { openTabs, type SessionEnd, type TabMessage } from "./tabs.ts";

/** Milliseconds. */
const times = {
  /** How long to wait for newer tokens from other tabs before a renewal. */
  syncTimeout: 50,
  /** How long a new tab waits for tokens from other tabs. */
  startTimeout: 100,
  /**
   * How long to wait for the tokens that another tab renews. If that tab is closed, this one renews within
   * the 10 s in which the server returns the same tokens.
   */
  successorTimeout: 4_000,
  /** At most, how long before its expiry a token is no longer used: a request may be in flight then. */
  maxExpiryMargin: 5_000,
  /** The longest timer. `setTimeout` allows 24 days. */
  longestTimer: 3_600_000,
} as const;

export interface CurrentTokens extends StoredTokens {
  /** When to renew, by this page's elapsed clock. */
  readonly dueAt: number;
  /** When to stop using the access token, by the same clock. */
  readonly expiresAt: number;
}

export interface TokenStateOptions {
  readonly platform: Platform;
  /** The name of the lock and of the channel, and the key in the storage. */
  readonly name: string;
  readonly storage: TokenStorage | undefined;
  /** Called when the tokens are due for renewal. */
  readonly onDue: () => void;
  readonly onChange: (state: SessionState) => void;
  /** Called after a renewal, in this tab or another. */
  readonly onRenewal: (tokens: StoredTokens) => void;
}

export function createTokenState({ platform, name, storage, ...listeners }: TokenStateOptions) {
  const { onDue, onChange, onRenewal } = listeners;
  const { after, wallClock, random } = platform;
  const clock = elapsedClock(platform);
  const stored = tokenStorage(storage, name);
  /** For each session, the last generation that has ended. A late message must not bring it back. */
  const endedGenerations = new Map<string, number>();
  const started = Promise.withResolvers<void>();
  const tabs = openTabs(platform, name, receive);
  let state: SessionState = { status: "starting" };
  let current: CurrentTokens | undefined;
  /** The access token that the server rejected, even if it has not expired by the clock. */
  let rejected: string | undefined;
  /** The access token that another tab announced to renew, without a result so far. */
  let abandoned: string | undefined;
  /** A request in flight replaces the tokens, so reports about the old ones are ignored. */
  let isReplacing = false;
  let cancelTimer = () => {};
  let isClosed = false;

  function changeState(next: SessionState): void {
    state = next;
    started.resolve();
    onChange(next);
  }

  function setCurrent(tokens: StoredTokens): void {
    // A response that arrives after `close`.
    if (isClosed) return;
    const age = wallClock() - tokens.askedAt;
    // A negative age means that the clock was set back: the age is unknown, and the tokens are due.
    const remaining = age < 0 ? 0 : tokens.lifetime - age;
    const now = clock();
    const { sessionId, userId, lifetime } = tokens;
    const isOtherSession = current?.sessionId !== sessionId;
    // Random, so that neither all tabs nor all users who signed in together renew at the same time.
    const lead = lifetime * (0.2 + random() / 10);
    current = {
      ...tokens,
      dueAt: now + remaining - lead,
      expiresAt: now + remaining - Math.min(times.maxExpiryMargin, lifetime / 10),
    };
    if (isOtherSession) changeState({ status: "signedIn", sessionId, userId });
    else onRenewal(tokens);
    checkDue();
  }

  function hasEnded({ sessionId, generation }: StoredTokens): boolean {
    return generation <= (endedGenerations.get(sessionId) ?? -1);
  }

  /** Takes over tokens from another tab or the storage, if they are newer. */
  function adopt(tokens: StoredTokens | undefined, login = false): void {
    if (!isStoredTokens(tokens) || hasEnded(tokens)) return;
    const isUpdate = current?.sessionId === tokens.sessionId ? isNewer(tokens) : login;
    if (current !== undefined && !isUpdate) return;
    updateStorage(tokens);
    setCurrent(tokens);
  }

  /** Updates the storage, if it is this tab's own: after a reload, its old tokens would be used up. */
  function updateStorage(tokens: StoredTokens): void {
    const before = stored.read();
    const isBehind =
      before?.sessionId === tokens.sessionId
        ? before.generation < tokens.generation
        : before?.sessionId === current?.sessionId;
    if (isBehind) stored.write(tokens);
  }

  function drop({ sessionId, reason, endReason, generation = Infinity }: SessionEnd): void {
    endedGenerations.set(sessionId, Math.max(generation, endedGenerations.get(sessionId) ?? -1));
    const before = stored.read();
    if (before !== undefined && hasEnded(before)) stored.write(undefined);
    if (current === undefined || !hasEnded(current)) return;
    current = undefined;
    cancelTimer();
    changeState({ status: "signedOut", reason, endReason });
  }

  function signOut(end: SessionEnd): void {
    tabs.post({ type: "ended", ...end });
    drop(end);
  }

  function receive(message: TabMessage): void {
    switch (message.type) {
      case "pair":
        return adopt(message.pair, message.login);
      case "ended":
        if (isReplacing && message.generation !== undefined) return;
        return drop(message);
      case "renewing":
        if (isCurrent(message))
          after(times.successorTimeout, () => takeOverRenewal(message), "upkeep");
        return;
      case "ask": {
        if (current === undefined) return;
        const { sessionId = current.sessionId, generation } = message;
        if (sessionId === current.sessionId && generation < current.generation)
          tabs.post({ type: "pair", pair: current, login: false });
      }
    }
  }

  const isNewer = ({ sessionId, generation }: StoredTokens) =>
    current?.sessionId === sessionId && generation > current.generation;

  const isCurrent = ({ sessionId, generation }: Pick<StoredTokens, "sessionId" | "generation">) =>
    current?.sessionId === sessionId && current.generation === generation;

  function takeOverRenewal(renewed: Pick<StoredTokens, "sessionId" | "generation">): void {
    if (!isCurrent(renewed)) return;
    abandoned = current?.accessToken;
    checkDue();
  }

  /** Requests newer tokens from the other tabs, and waits for their replies. */
  async function askTabs(timeout: number): Promise<void> {
    const { sessionId, generation = -1 } = current ?? {};
    tabs.post({ type: "ask", sessionId, generation });
    await new Promise<void>((resolve) => void after(timeout, resolve, "request"));
  }

  /** Takes over newer tokens from the storage or another tab. */
  async function sync(): Promise<void> {
    adopt(stored.read());
    if (!tabs.canShare) return;
    await askTabs(times.syncTimeout);
  }

  // Expired tokens are always due: the lead is longer than the expiry margin.
  const isDue = () =>
    current !== undefined &&
    ([rejected, abandoned].includes(current.accessToken) || clock() >= current.dueAt);

  /** Reports due tokens, or sets a timer. Timers fire late in hidden pages, so a wake calls this too. */
  function checkDue(): void {
    cancelTimer();
    if (current === undefined) return;
    if (isDue()) return onDue();
    const wait = Math.min(Math.ceil(current.dueAt - clock()), times.longestTimer);
    cancelTimer = after(wait, checkDue, "upkeep");
  }

  async function start(): Promise<void> {
    adopt(stored.read());
    if (current === undefined && tabs.canShare) await askTabs(times.startTimeout);
    if (state.status === "starting")
      changeState({ status: "signedOut", reason: undefined, endReason: undefined });
  }

  return {
    state: () => state,
    current: () => current,
    /** Resolves when it is known whether a user is signed in. */
    started: started.promise,
    start,
    checkDue,
    isDue,
    isFresh: (tokens: CurrentTokens) =>
      tokens.accessToken !== rejected && clock() < tokens.expiresAt,
    runExclusive: tabs.runExclusive,
    isNewer,

    /** Runs a task that replaces the tokens. Ignores reports about the old ones meanwhile. */
    async whileReplacing<T>(task: () => Promise<T>): Promise<T> {
      isReplacing = true;
      try {
        return await task();
      } finally {
        isReplacing = false;
      }
    },

    /** Stores tokens from the server. A `login` replaces any other session. */
    store(tokens: StoredTokens, login: boolean): void {
      if (login && current !== undefined) endedGenerations.set(current.sessionId, Infinity);
      stored.write(tokens);
      tabs.post({ type: "pair", pair: tokens, login });
      setCurrent(tokens);
    },

    /**
     * Prepares a renewal: takes over newer tokens that other tabs stored, and announces the renewal to them.
     *
     * @param force also if nothing is due
     */
    async prepareRenewal(force = false): Promise<void> {
      adopt(stored.read());
      if (!tabs.canShare || !(force || isDue())) return;
      await sync();
      if (current === undefined || !(force || isDue())) return;
      const { sessionId, generation } = current;
      tabs.post({ type: "renewing", sessionId, generation });
    },

    sync,

    markRejected(accessToken: string): void {
      rejected = accessToken;
      checkDue();
    },

    /** Signs out of a session in all tabs. */
    signOut(sessionId: string, reason: SignedOutReason, endReason?: EndReason): void {
      signOut({ sessionId, reason, endReason });
    },

    /** Signs out in all tabs that have no later tokens of the session than these. */
    signOutUpTo({ sessionId, generation }: StoredTokens, reason: SignedOutReason): void {
      signOut({ sessionId, reason, generation });
    },

    close(): void {
      isClosed = true;
      current = undefined;
      started.resolve();
      cancelTimer();
      tabs.close();
    },
  };
}
