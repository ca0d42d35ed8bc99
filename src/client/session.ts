/** Creates sessions: they renew their tokens, share them across tabs, and end only by a logout or a refusal. */
import { endsSession, requestEndReason, sendLogout } from "./session-end.ts";
import {
  RequestFailed,
  type Access,
  type Credentials,
  type EndReason,
  type InvalidCredentials,
  type InvalidInput,
  type RefusalReason,
  type Session,
  type SessionState,
  type SignedIn,
  type TooManyAttempts,
} from "./types.ts";
import { defaultPlatform, type Platform } from "./platform.ts";
import { createTokenState, type CurrentTokens } from "./token-state.ts";
import {
  accessOf,
  generationOf,
  storedTokensOf,
  type StoredTokens,
  type TokenStorage,
} from "./stored-tokens.ts";
import { retryUntilDone, type Failure } from "./retry.ts";
import {
  sendMutation,
  type IssuedTokens,
  type PasswordResult,
  type RenewResult,
  type TokenStrings,
} from "./requests.ts";

export interface SessionOptions {
  /** Curfew's endpoint: `https://api.example.com/graphql`, or in a browser `/graphql`. */
  readonly url: string;
  /**
   * Where to store the tokens besides the page's memory: `localStorage`, `sessionStorage` or the like.
   * Without a storage, the user is signed out when all tabs of the app are closed or reloaded. With
   * `localStorage`, the session outlives the browser. A script that is injected into your page can then read
   * a renewal token that works for 30 days, from anywhere (OWASP HTML5 Security Cheat Sheet, Local Storage).
   * Default: none.
   */
  readonly storage?: TokenStorage;
  /**
   * Whether the tabs of the browser share the session. They use a channel on which every page and script of
   * the origin is trusted: each of them can request the tokens. Default: true. Outside a browser, sessions
   * are never shared.
   */
  readonly shareAcrossTabs?: boolean;
  /** Distinguishes sessions of the same origin. Default: `curfew:` and the URL. */
  readonly key?: string;
  /** Replaces clocks, timers, random numbers and the network in tests. */
  readonly platform?: Partial<Platform>;
}

/** Request timeouts in milliseconds. */
const requestTimeouts = {
  /** The retry must come within the 10 s in which the server returns the same tokens. */
  renewal: 3_000,
  /** After a renewal timed out: the network may be slow. */
  slowRenewal: 6_000,
  /** The server hashes two passwords. */
  passwordChange: 8_000,
  /** A user waits for a login or a registration. */
  signIn: 30_000,
} as const;

/** Creates a session. It starts with `login`, or with tokens from the storage or another tab. */
export function createSession(options: SessionOptions): Session {
  const { url, storage, shareAcrossTabs = true, key = `curfew:${url}` } = options;
  const platform: Platform = {
    ...defaultPlatform(),
    ...(!shareAcrossTabs && { locks: undefined, openChannel: () => undefined }),
    ...options.platform,
  };
  const { wallClock } = platform;
  const listeners = new Set<(state: SessionState) => void>();
  const renewalListeners = new Set<(access: Access) => void>();
  /** The session that the server has ended, while this tab asks for the reason. */
  let ending: { readonly sessionId: string; readonly signedOut: Promise<void> } | undefined;
  /** Whether the last renewal timed out. */
  let isSlow = false;
  const renewals = retryUntilDone(platform, renew);
  const tokenState = createTokenState({
    platform,
    name: key,
    storage,
    onDue: () => void renewals.next(),
    onChange: (state) => {
      // Callers that wait for tokens have them now, or need not wait any longer.
      renewals.retryNow();
      notify(listeners, state);
    },
    onRenewal: (tokens) => notify(renewalListeners, accessOf(tokens)),
  });
  const stopWaking = platform.onWake(() => {
    renewals.retryNow();
    tokenState.checkDue();
  });
  void tokenState.start();

  function notify<Value>(targets: Iterable<(value: Value) => void>, value: Value): void {
    for (const listener of targets) {
      try {
        listener(value);
      } catch (error) {
        // Reports an error of the app's listener as uncaught, and continues.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  async function renew(): Promise<Failure | undefined> {
    while (tokenState.isDue()) {
      const failure = await tokenState.runExclusive(renewExclusively);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  async function renewExclusively(): Promise<Failure | undefined> {
    await tokenState.prepareRenewal();
    const before = tokenState.current();
    if (before === undefined || !tokenState.isDue()) return undefined;
    const { renewalToken } = before;
    const timeout = isSlow ? requestTimeouts.slowRenewal : requestTimeouts.renewal;
    const askedAt = wallClock();
    let result: RenewResult;
    try {
      const variables = { renewalToken };
      result = await sendMutation(platform, url, { document: "renew", variables, timeout });
      isSlow = false;
    } catch (error) {
      isSlow ||= wallClock() - askedAt >= timeout;
      return { error: error as RequestFailed };
    }
    switch (result.__typename) {
      case "SignedIn": {
        const tokens = storedTokensOf(result, askedAt, before);
        // Not if the session was signed out meanwhile, or another tab stored newer tokens.
        if (tokenState.isNewer(tokens)) tokenState.store(tokens, false);
        return undefined;
      }
      case "RenewalRefused":
        await onRefusedRenewal(before, result.reason);
        return undefined;
      case "TooManyAttempts": {
        const error = new RequestFailed(result.message, "TOO_MANY_ATTEMPTS");
        return { error, retryAfter: result.retryAfterSeconds * 1_000 };
      }
    }
  }

  async function onRefusedRenewal(tokens: CurrentTokens, reason: RefusalReason): Promise<void> {
    if (tokenState.current()?.sessionId !== tokens.sessionId) return;
    if (reason === "ENDED") return end(tokens.sessionId);
    if (endsSession[reason]) return tokenState.signOut(tokens.sessionId, reason);
    // Another tab may have the tokens that superseded these.
    if (reason === "SUPERSEDED") await tokenState.sync();
    if (tokenState.current() === tokens) tokenState.signOutUpTo(tokens, reason);
  }

  /** Signs out of a session that the server has ended, with the reason if it is known or the server returns it. */
  async function end(sessionId: string, endReason?: EndReason): Promise<void> {
    const current = tokenState.current();
    if (endReason !== undefined || current?.sessionId !== sessionId)
      return tokenState.signOut(sessionId, "ENDED", endReason);
    if (!isEnding(current)) ending = { sessionId, signedOut: signOutWithReason(current) };
    return ending?.signedOut;
  }

  async function signOutWithReason(tokens: StoredTokens): Promise<void> {
    const endReason = await requestEndReason(platform, url, tokens);
    tokenState.signOut(tokens.sessionId, "ENDED", endReason);
  }

  const isEnding = ({ sessionId }: StoredTokens) => ending?.sessionId === sessionId;

  async function access(): Promise<Access | undefined> {
    await tokenState.started;
    for (;;) {
      const current = tokenState.current();
      if (current === undefined) return undefined;
      if (isEnding(current)) {
        await ending?.signedOut;
        continue;
      }
      if (tokenState.isDue()) void renewals.next();
      // A renewal in flight may supersede a token that is still fresh.
      const isUsable = tokenState.isFresh(current) && !renewals.isTrying();
      const failure = isUsable ? undefined : await renewals.next();
      const latest = tokenState.current();
      if (latest === undefined || isEnding(latest)) continue;
      if (tokenState.isFresh(latest)) return accessOf(latest);
      if (failure !== undefined) throw failure.error;
    }
  }

  async function signIn<Problem extends { readonly message: string }>(
    document: "login" | "register",
    { email, password }: Credentials,
  ): Promise<SignedIn | Problem> {
    const askedAt = wallClock();
    const request = { document, variables: { email, password }, timeout: requestTimeouts.signIn };
    const result = await sendMutation<IssuedTokens | Problem>(platform, url, request);
    if (!("tokens" in result)) return result;
    const before = tokenState.current();
    const tokens = storedTokensOf(result, askedAt);
    tokenState.store(tokens, true);
    // If the session before cannot be ended, it expires by itself.
    if (before !== undefined) sendLogout(platform, url, before).catch(() => {});
    return { __typename: "SignedIn", sessionId: tokens.sessionId, userId: tokens.userId };
  }

  async function logout(): Promise<void> {
    await tokenState.started;
    const current = tokenState.current();
    if (current === undefined) return;
    tokenState.signOut(current.sessionId, "LOGOUT");
    await sendLogout(platform, url, current);
  }

  /** Stores the tokens that a password change returned. */
  function storeReissued(before: StoredTokens, tokens: TokenStrings): void {
    const generation = generationOf(tokens.accessToken, before.generation + 1);
    // The response has no expiry: a lifetime of 0 makes the tokens due, and the renewal returns one.
    const reissued = { ...before, ...tokens, generation, lifetime: 0 };
    if (tokenState.isNewer(reissued)) tokenState.store(reissued, false);
  }

  /** Runs under the lock of renewals, because it replaces the tokens as they do. */
  async function changePassword(variables: {
    readonly currentPassword: string;
    readonly newPassword: string;
  }): ReturnType<Session["changePassword"]> {
    await access();
    return tokenState.runExclusive(async () => {
      // Another tab may have renewed while this one waited for the lock.
      await tokenState.prepareRenewal(true);
      return tokenState.whileReplacing(async () => {
        const before = tokenState.current();
        const token = before?.accessToken;
        const timeout = requestTimeouts.passwordChange;
        const request = { document: "changePassword", variables, token, timeout } as const;
        try {
          const result = await sendMutation<PasswordResult>(platform, url, request);
          if (result.__typename !== "PasswordChanged") return result;
          const { tokens, endedSessions } = result;
          if (before !== undefined) storeReissued(before, tokens);
          return { __typename: "PasswordChanged", endedSessions };
        } catch (error) {
          // If the change succeeded, the server refuses the old renewal token, and that signs the user out.
          if (before !== undefined) tokenState.markRejected(before.accessToken);
          throw error;
        }
      });
    });
  }

  return {
    url,
    get state() {
      return tokenState.state();
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
    refused({ token, sessionId }, reason, endReason) {
      if (reason === "ENDED") return void end(sessionId, endReason);
      if (tokenState.current()?.accessToken === token) tokenState.markRejected(token);
    },
    dispose() {
      stopWaking();
      renewals.stop();
      tokenState.close();
      listeners.clear();
      renewalListeners.clear();
    },
  };
}
