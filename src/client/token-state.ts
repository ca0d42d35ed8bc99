/** Holds the pair of the session that this tab is signed in to, and keeps in step with the other tabs. */
import type { SessionState, SignedOutReason } from "./types.ts";
import { elapsedClock, type Platform } from "./platform.ts";
import {
  isStoredTokens,
  tokenStorage,
  type StoredTokens,
  type TokenStorage,
} from "./stored-tokens.ts";
import { openTabs, type Message } from "./tabs.ts";

/** Milliseconds. */
const times = {
  /** For what the other tabs have to say, before one renews. */
  settle: 50,
  /** For what they have to say to a new tab. */
  start: 100,
  /** For the pair that another tab renews: its answer is given again for 10 s, should that tab be closed. */
  successor: 4_000,
  /** At most, for a request that is under way when the token runs out. */
  margin: 5_000,
  /** Timers take no more than 24 days. */
  longestTimer: 3_600_000,
} as const;

export interface HeldTokens extends StoredTokens {
  /** Both by the clock of this page. */
  readonly dueAt: number;
  readonly expiresAt: number;
}

export interface TokenStateOptions {
  readonly environment: Platform;
  /** Of the lock, of the channel and in the storage. */
  readonly name: string;
  readonly storage: TokenStorage | undefined;
  /** Called whenever the pair ought to be renewed. */
  readonly onDue: () => void;
  readonly onChange: (state: SessionState) => void;
  /** Called when the pair was renewed, here or in another tab. */
  readonly onRenewal: (pair: StoredTokens) => void;
}

export function createTokenState({ environment, name, storage, ...listeners }: TokenStateOptions) {
  const { onDue, onChange, onRenewal } = listeners;
  const { after, wallClock, random } = environment;
  const clock = elapsedClock(environment);
  const kept = tokenStorage(storage, name);
  /** By session the last generation that is over: what a late message of another tab must not bring back. */
  const ended = new Map<string, number>();
  const started = Promise.withResolvers<void>();
  const tabs = openTabs(environment, name, receive);
  let state: SessionState = { status: "starting" };
  let held: HeldTokens | undefined;
  /** The access token that the server did not accept, whatever the clock says. */
  let stale: string | undefined;
  /** The access token that another tab was to renew, of which nothing was heard since. */
  let orphan: string | undefined;
  /** A request is under way that replaces the pair, whatever the other tabs hear of the old one. */
  let isReplacing = false;
  let cancelTimer = () => {};
  let isClosed = false;

  function become(next: SessionState): void {
    state = next;
    started.resolve();
    onChange(next);
  }

  function hold(pair: StoredTokens): void {
    // An answer that came too late for this one.
    if (isClosed) return;
    const age = wallClock() - pair.askedAt;
    // By a clock that was set back since, nothing is known of its age.
    const left = age < 0 ? 0 : pair.lifetime - age;
    const now = clock();
    const { sessionId, userId, lifetime } = pair;
    const isAnother = held?.sessionId !== sessionId;
    // Not all tabs at once, nor all who were signed in by one event.
    const lead = lifetime * (0.2 + random() / 10);
    held = {
      ...pair,
      dueAt: now + left - lead,
      expiresAt: now + left - Math.min(times.margin, lifetime / 10),
    };
    if (isAnother) become({ status: "signedIn", sessionId, userId });
    else onRenewal(pair);
    check();
  }

  function isOver({ sessionId, generation }: StoredTokens): boolean {
    return generation <= (ended.get(sessionId) ?? -1);
  }

  /** A pair that another tab has. */
  function offer(pair: StoredTokens | undefined, login = false): void {
    if (!isStoredTokens(pair) || isOver(pair)) return;
    const isNews = held?.sessionId === pair.sessionId ? isNewer(pair) : login;
    if (held !== undefined && !isNews) return;
    keepHere(pair);
    hold(pair);
  }

  /** Where each tab has a storage of its own: what is there would be used up when this one is loaded anew. */
  function keepHere(pair: StoredTokens): void {
    const before = kept.read();
    const isBehind =
      before?.sessionId === pair.sessionId
        ? before.generation < pair.generation
        : before?.sessionId === held?.sessionId;
    if (isBehind) kept.write(pair);
  }

  /** @param generation the last that is over: a refused token says nothing of the ones after it */
  function drop(sessionId: string, reason: SignedOutReason, generation = Infinity): void {
    ended.set(sessionId, Math.max(generation, ended.get(sessionId) ?? -1));
    const before = kept.read();
    if (before !== undefined && isOver(before)) kept.write(undefined);
    if (held === undefined || !isOver(held)) return;
    held = undefined;
    cancelTimer();
    become({ status: "signedOut", reason });
  }

  function receive(message: Message): void {
    switch (message.type) {
      case "pair":
        return offer(message.pair, message.login);
      case "ended":
        if (isReplacing && message.generation !== undefined) return;
        return drop(message.sessionId, message.reason, message.generation);
      case "renewing":
        if (isHeld(message)) after(times.successor, () => succeed(message), "upkeep");
        return;
      case "ask": {
        if (held === undefined) return;
        const { sessionId = held.sessionId, generation } = message;
        if (sessionId === held.sessionId && generation < held.generation)
          tabs.post({ type: "pair", pair: held, login: false });
      }
    }
  }

  const isNewer = ({ sessionId, generation }: StoredTokens) =>
    held?.sessionId === sessionId && generation > held.generation;

  const isHeld = ({ sessionId, generation }: Pick<StoredTokens, "sessionId" | "generation">) =>
    held?.sessionId === sessionId && held.generation === generation;

  function succeed(renewed: Pick<StoredTokens, "sessionId" | "generation">): void {
    if (!isHeld(renewed)) return;
    orphan = held?.accessToken;
    check();
  }

  /** Asks the other tabs; time is given for the answers. */
  async function ask(time: number): Promise<void> {
    const { sessionId, generation = -1 } = held ?? {};
    tabs.post({ type: "ask", sessionId, generation });
    await new Promise<void>((resolve) => void after(time, resolve, "request"));
  }

  /** Takes over a newer pair that another tab, or the storage, has. */
  async function lookAround(): Promise<void> {
    offer(kept.read());
    if (!tabs.shared) return;
    await ask(times.settle);
  }

  // What has expired has been due before, for the lead is longer than the margin.
  const isDue = () =>
    held !== undefined && ([stale, orphan].includes(held.accessToken) || clock() >= held.dueAt);

  /** Timers are late in a page that slept or is hidden: it is asked on every occasion. */
  function check(): void {
    cancelTimer();
    if (held === undefined) return;
    if (isDue()) return onDue();
    const wait = Math.min(Math.ceil(held.dueAt - clock()), times.longestTimer);
    cancelTimer = after(wait, check, "upkeep");
  }

  async function start(): Promise<void> {
    offer(kept.read());
    if (held === undefined && tabs.shared) await ask(times.start);
    if (state.status === "starting") become({ status: "signedOut", reason: undefined });
  }

  return {
    state: () => state,
    held: () => held,
    /** When it is known whether anybody is signed in. */
    started: started.promise,
    start,
    check,
    isDue,
    isFresh: (pair: HeldTokens) => pair.accessToken !== stale && clock() < pair.expiresAt,
    exclusive: tabs.exclusive,

    isNewer,

    /** Runs what replaces the pair. */
    async replacing<T>(task: () => Promise<T>): Promise<T> {
      isReplacing = true;
      try {
        return await task();
      } finally {
        isReplacing = false;
      }
    },

    /** Holds what came from the server. A `login` takes the place of any other session. */
    keep(pair: StoredTokens, login: boolean): void {
      if (login && held !== undefined) ended.set(held.sessionId, Infinity);
      kept.write(pair);
      tabs.post({ type: "pair", pair, login });
      hold(pair);
    },

    /**
     * Before a renewal: what the others did while this one slept, or just now; and tells them of it.
     *
     * @param insists where nothing is due, too
     */
    async catchUp(insists = false): Promise<void> {
      offer(kept.read());
      if (!tabs.shared || !(insists || isDue())) return;
      await lookAround();
      if (held === undefined || !(insists || isDue())) return;
      const { sessionId, generation } = held;
      tabs.post({ type: "renewing", sessionId, generation });
    },

    lookAround,

    distrust(accessToken: string): void {
      stale = accessToken;
      check();
    },

    /** Signs out of a session in all tabs. */
    signOut(sessionId: string, reason: SignedOutReason): void {
      tabs.post({ type: "ended", sessionId, reason });
      drop(sessionId, reason);
    },

    /** Signs out in all tabs that hold no later pair of the session than that one. */
    giveUp({ sessionId, generation }: StoredTokens, reason: SignedOutReason): void {
      tabs.post({ type: "ended", sessionId, reason, generation });
      drop(sessionId, reason, generation);
    },

    close(): void {
      isClosed = true;
      held = undefined;
      started.resolve();
      cancelTimer();
      tabs.close();
    },
  };
}
