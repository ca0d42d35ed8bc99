/** A session that takes care of itself: it stays fresh, in all tabs, and ends only when the server says so. */
import { backoff } from "./backoff.ts";
import {
  RequestFailed,
  type Access,
  type Credentials,
  type InvalidCredentials,
  type InvalidInput,
  type RefusalReason,
  type Session,
  type SessionState,
  type SignedIn,
  type TooManyAttempts,
} from "./types.ts";
import { defaultPlatform, type Platform } from "./platform.ts";
import { createTokenState, type HeldTokens } from "./token-state.ts";
import {
  generationOf,
  storedTokensOf,
  type StoredTokens,
  type TokenStorage,
} from "./stored-tokens.ts";
import { retryUntilDone, type Failure } from "./retry.ts";
import {
  ask,
  type Issued,
  type PasswordAnswer,
  type RenewResult,
  type Tokens,
} from "./requests.ts";

export interface SessionOptions {
  /** Of Curfew's endpoint: `https://api.example.com/graphql`, or in a browser `/graphql`. */
  readonly url: string;
  /**
   * Where the tokens are kept besides the memory of the page: `localStorage`, `sessionStorage` or the like.
   * Without one, nobody is signed in any more once all tabs of the app are closed or loaded anew. In
   * `localStorage` a session outlives the browser; and a script that got into your page reads a renewal
   * token there that serves for 30 days, from anywhere (OWASP HTML5 Security Cheat Sheet, Local Storage).
   * Default: none.
   */
  readonly storage?: TokenStorage;
  /**
   * Whether the tabs of the browser share the session, by a channel on which every page and script of the
   * origin is trusted: who asks there is given the tokens. Default: true; outside of a browser they never do.
   */
  readonly shared?: boolean;
  /** Names the session among others of the same origin. Default: `curfew:` and the URL. */
  readonly key?: string;
  /** Where time, chance and the network come from; for tests. */
  readonly environment?: Partial<Platform>;
}

/** Milliseconds until a request is given up. */
const timeouts = {
  /** The next attempt has to come within the 10 s in which the server gives a lost answer again. */
  renewal: 3_000,
  /** Once there was no answer in that time: the way may be long. */
  slowRenewal: 6_000,
  logout: 5_000,
  /** Two passwords are hashed for it. */
  passwordChange: 8_000,
  /** For what a person waits for. */
  person: 30_000,
} as const;

const logoutAttempts = 8;

/** Whether a refusal is about the whole session, and not about the one token that was refused. */
const endsSession = {
  MISSING: false,
  MALFORMED: false,
  BAD_SIGNATURE: false,
  WRONG_KIND: false,
  EXPIRED: false,
  SUPERSEDED: false,
  ENDED: true,
  REUSED: true,
  USER_GONE: true,
} as const satisfies Record<RefusalReason, boolean>;
function accessOf({ accessToken: token, sessionId }: StoredTokens): Access {
  return { token, sessionId };
}

/** Of one user at a time. Signing in begins with `login`, or with what the storage or another tab has. */
export function createSession(options: SessionOptions): Session {
  const { url, storage, shared = true, key = `curfew:${url}` } = options;
  const environment: Platform = {
    ...defaultPlatform(),
    ...(!shared && { locks: undefined, openChannel: () => undefined }),
    ...options.environment,
  };
  const { random, after, wallClock } = environment;
  const listeners = new Set<(state: SessionState) => void>();
  const renewalListeners = new Set<(access: Access) => void>();
  /** Whether the last renewal got no answer in time. */
  let isSlow = false;
  const renewals = retryUntilDone(environment, renew);
  const holder = createTokenState({
    environment,
    name: key,
    storage,
    onDue: () => void renewals.next(),
    onChange: (state) => {
      // Whoever waits for a pair has either got one, or need not wait any more.
      renewals.retryNow();
      tell(listeners, state);
    },
    onRenewal: (pair) => tell(renewalListeners, accessOf(pair)),
  });
  const stopWaking = environment.onWake(() => {
    renewals.retryNow();
    holder.check();
  });
  void holder.start();

  function tell<Value>(told: Iterable<(value: Value) => void>, value: Value): void {
    for (const listener of told) {
      try {
        listener(value);
      } catch (error) {
        // The app's fault: shown to the app, and nothing of it stops here.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  async function renew(): Promise<Failure | undefined> {
    while (holder.isDue()) {
      const failure = await holder.exclusive(renewAlone);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  async function renewAlone(): Promise<Failure | undefined> {
    await holder.catchUp();
    const before = holder.held();
    if (before === undefined || !holder.isDue()) return undefined;
    const { renewalToken } = before;
    const timeout = isSlow ? timeouts.slowRenewal : timeouts.renewal;
    const askedAt = wallClock();
    let result: RenewResult;
    try {
      const variables = { renewalToken };
      result = await ask(environment, url, { document: "renew", variables, timeout });
      isSlow = false;
    } catch (error) {
      isSlow ||= wallClock() - askedAt >= timeout;
      return { error: error as RequestFailed };
    }
    switch (result.__typename) {
      case "SignedIn": {
        const pair = storedTokensOf(result, askedAt, before);
        // Not where it was signed out meanwhile, or overtaken by another tab.
        if (holder.isNewer(pair)) holder.keep(pair, false);
        return undefined;
      }
      case "RenewalRefused":
        await refuse(before, result.reason);
        return undefined;
      case "TooManyAttempts": {
        const error = new RequestFailed(result.message, "TOO_MANY_ATTEMPTS");
        return { error, wait: result.retryAfterSeconds * 1_000 };
      }
    }
  }

  async function refuse(pair: HeldTokens, reason: RefusalReason): Promise<void> {
    if (holder.held()?.sessionId !== pair.sessionId) return;
    if (endsSession[reason]) return holder.signOut(pair.sessionId, reason);
    // Another tab may have the pair that this one was superseded by.
    if (reason === "SUPERSEDED") await holder.lookAround();
    if (holder.held() === pair) holder.giveUp(pair, reason);
  }

  async function access(): Promise<Access | undefined> {
    await holder.started;
    for (;;) {
      const held = holder.held();
      if (held === undefined) return undefined;
      if (holder.isDue()) void renewals.next();
      // One that is fresh still may be superseded by the renewal that is under way.
      const mayUse = holder.isFresh(held) && !renewals.trying();
      const failure = mayUse ? undefined : await renewals.next();
      const now = holder.held();
      if (now !== undefined && holder.isFresh(now)) return accessOf(now);
      if (now !== undefined && failure !== undefined) throw failure.error;
    }
  }

  async function signIn<Problem extends { readonly message: string }>(
    document: "login" | "register",
    { email, password }: Credentials,
  ): Promise<SignedIn | Problem> {
    const askedAt = wallClock();
    const question = { document, variables: { email, password }, timeout: timeouts.person };
    const result = await ask<Issued | Problem>(environment, url, question);
    if (!("tokens" in result)) return result;
    const before = holder.held();
    const pair = storedTokensOf(result, askedAt);
    holder.keep(pair, true);
    // It expires by itself if it cannot be ended.
    if (before !== undefined) end(before).catch(() => {});
    return { __typename: "SignedIn", sessionId: pair.sessionId, userId: pair.userId };
  }

  async function end({ renewalToken }: StoredTokens): Promise<void> {
    const variables = { token: renewalToken };
    for (let attempt = 1; ; attempt += 1) {
      try {
        await ask(environment, url, { document: "logout", variables, timeout: timeouts.logout });
        return;
      } catch (error) {
        if (attempt === logoutAttempts) throw error;
      }
      const pause = backoff(attempt, random);
      await new Promise<void>((resolve) => void after(pause, resolve, "request"));
    }
  }

  async function logout(): Promise<void> {
    await holder.started;
    const held = holder.held();
    if (held === undefined) return;
    holder.signOut(held.sessionId, "LOGOUT");
    await end(held);
  }

  /** Holds the pair that a changed password gave. */
  function succeed(before: StoredTokens, tokens: Tokens): void {
    const generation = generationOf(tokens.accessToken, before.generation + 1);
    // How long they last is not told: they are renewed at once, and that tells.
    const pair = { ...before, ...tokens, generation, lifetime: 0 };
    if (holder.isNewer(pair)) holder.keep(pair, false);
  }

  /** Under the same lock as a renewal: it is one. */
  async function changePassword(variables: {
    readonly currentPassword: string;
    readonly newPassword: string;
  }): ReturnType<Session["changePassword"]> {
    await access();
    return holder.exclusive(async () => {
      // Another tab may have renewed while this one waited for its turn.
      await holder.catchUp(true);
      return holder.replacing(async () => {
        const before = holder.held();
        const token = before?.accessToken;
        const timeout = timeouts.passwordChange;
        const question = { document: "changePassword", variables, token, timeout } as const;
        try {
          const result = await ask<PasswordAnswer>(environment, url, question);
          if (result.__typename !== "PasswordChanged") return result;
          const { tokens, endedSessions } = result;
          if (before !== undefined) succeed(before, tokens);
          return { __typename: "PasswordChanged", endedSessions };
        } catch (error) {
          // Perhaps it was done: then the old renewal token is refused, and the new password signs in again.
          if (before !== undefined) holder.distrust(before.accessToken);
          throw error;
        }
      });
    });
  }

  return {
    url,
    get state() {
      return holder.state();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    login: (credentials) => signIn<InvalidCredentials | TooManyAttempts>("login", credentials),
    register: (credentials) => signIn<InvalidInput | TooManyAttempts>("register", credentials),
    onRenewal(listener) {
      renewalListeners.add(listener);
      return () => void renewalListeners.delete(listener);
    },
    logout,
    changePassword,
    accessToken: async () => (await access())?.token,
    access,
    refused({ token, sessionId }, reason) {
      if (reason === "ENDED") return holder.signOut(sessionId, reason);
      if (holder.held()?.accessToken === token) holder.distrust(token);
    },
    dispose() {
      stopWaking();
      renewals.stop();
      holder.close();
      listeners.clear();
      renewalListeners.clear();
    },
  };
}
