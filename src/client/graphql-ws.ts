/** A graphql-ws client for subscriptions: its sockets reconnect while the session lasts, and close with it. */
import type { Client, ClientOptions } from "graphql-ws";
import { closes, type FinalCloseReason } from "../protocol/close-reasons.ts";
import { backoff } from "./backoff.ts";
import type { Access, Session } from "./types.ts";
import { defaultPlatform, type Platform } from "./platform.ts";

export interface SocketOptions extends Omit<
  Partial<ClientOptions>,
  "connectionParams" | "shouldRetry" | "retryWait" | "retryAttempts" | "on"
> {
  /** Default: the session's URL, with `ws` for `http`. */
  readonly url?: string;
  /** Replaces timers and random numbers in tests. */
  readonly platform?: Partial<Platform>;
}

const finalCode = closes.SESSION_ENDED.code;
const expiredCode = closes.SESSION_EXPIRED.code;

const signedOutMessages = {
  SESSION_ENDED: "The session has ended",
  UNAUTHENTICATED: "The client is not signed in",
} as const satisfies Record<FinalCloseReason, string>;

/** The error of a subscription whose session has ended, or that has no session: close code 4401. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
  readonly code = finalCode;
  /** The close reason: `UNAUTHENTICATED` without a session. The session's `state` says why it ended. */
  readonly reason: FinalCloseReason;

  constructor(reason: FinalCloseReason) {
    super(signedOutMessages[reason]);
    this.reason = reason;
  }
}

/** Milliseconds. */
const socketTimeouts = {
  /** Between pings. A socket that died while the machine slept reports no close by itself. */
  keepAlive: 10_000,
  /** Until the pong of a ping. */
  pong: 5_000,
  /** Until the `connection_ack` of a new socket. */
  acknowledgement: 10_000,
} as const;

/**
 * Creates a graphql-ws client whose subscriptions survive renewals, lost connections and server restarts.
 *
 * @param createClient the function of that name of graphql-ws
 */
export function createSocketClient(
  createClient: (options: ClientOptions) => Client,
  session: Session,
  { platform: replacements, ...options }: SocketOptions = {},
): Client {
  const platform = { ...defaultPlatform(), ...replacements };
  const { after, random } = platform;
  /** The token that opened the socket. */
  let access: Access | undefined;
  /** Attempts since the last acknowledgement. */
  let failures = 0;
  /** The next attempt has a fresh token and needs no delay. */
  let retriesAtOnce = false;
  let cancelPongTimeout = () => {};
  /** The socket, between its acknowledgement and its close. */
  let acknowledged: Pick<WebSocket, "send"> | undefined;
  /** A token that is newer than the token that opened the socket, and that the socket has not sent yet. */
  let newerToken: string | undefined;
  let stopFollowing = () => {};

  async function wait(time: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    const cancel = after(time, done.resolve, "request");
    const stop = platform.onWake(done.resolve);
    await done.promise;
    cancel();
    stop();
  }

  /** Resolves with a token to open a socket with, or undefined when signed out, however long that takes. */
  async function waitForAccess(): Promise<Access | undefined> {
    for (;;) {
      try {
        return await session.access();
      } catch {
        // Each call waits for another attempt to renew, so this loop needs no delay.
      }
    }
  }

  /** Records renewals after the token that opens the socket. */
  function followRenewals(): void {
    stopFollowing();
    newerToken = undefined;
    stopFollowing = session.onRenewal(({ token, sessionId }) => {
      // After another login, the socket still belongs to the session before.
      if (sessionId === access?.sessionId) newerToken = token;
      sendNewerToken();
    });
  }

  /**
   * Extends the socket, which the server closes when the newest token that it received expires. The token
   * goes in a ping, which every server answers.
   */
  function sendNewerToken(): void {
    if (acknowledged === undefined || newerToken === undefined) return;
    acknowledged.send(JSON.stringify({ type: "ping", payload: { token: newerToken } }));
    newerToken = undefined;
  }

  function onClosed({ code, reason }: { readonly code?: number; readonly reason?: string }): void {
    cancelPongTimeout();
    stopFollowing();
    acknowledged = undefined;
    // The next attempt after a final close is a new subscription, after a login.
    if (code === finalCode) failures = 0;
    retriesAtOnce = failures === 0 && (code === finalCode || code === expiredCode);
    if (access === undefined || (code !== finalCode && code !== expiredCode)) return;
    session.refused(access, reason === closes.SESSION_ENDED.reason ? "ENDED" : undefined);
  }

  const client = createClient({
    keepAlive: socketTimeouts.keepAlive,
    connectionAckWaitTimeout: socketTimeouts.acknowledgement,
    ...options,
    url: async () => {
      access = await waitForAccess();
      return options.url ?? socketUrl(session.url);
    },
    connectionParams: async () => {
      access = await session.access().catch(() => access);
      followRenewals();
      return access && { token: access.token };
    },
    retryAttempts: Infinity,
    // Retries also when the server is unreachable, without a close event. Codes fatal to graphql-ws stay fatal.
    shouldRetry: () => true,
    retryWait: async () => {
      const time = retriesAtOnce ? 0 : backoff(failures, random);
      failures += 1;
      retriesAtOnce = false;
      if (time > 0) await wait(time);
    },
    on: {
      connected: (socket) => {
        failures = 0;
        retriesAtOnce = false;
        acknowledged = socket as Pick<WebSocket, "send">;
        sendNewerToken();
      },
      ping: (isReceived) => {
        if (isReceived) return;
        cancelPongTimeout();
        cancelPongTimeout = after(socketTimeouts.pong, () => client.terminate(), "upkeep");
      },
      pong: (isReceived) => {
        if (isReceived) cancelPongTimeout();
      },
      closed: (event) => onClosed(event as { code?: number; reason?: string }),
    },
  });

  /** Resolves when the state of the session reports its end: the session may ask for the reason first. */
  async function signedOut(): Promise<void> {
    const { state } = session;
    if (state.status === "signedIn" && state.sessionId === access?.sessionId)
      await session.access().catch(() => {});
  }

  async function* iterate<Result>(results: AsyncIterable<Result>) {
    try {
      yield* results;
    } catch (error) {
      const shown = toSignedOut(error);
      if (isSessionEnd(shown)) await signedOut();
      throw shown;
    }
  }

  return {
    ...client,
    subscribe(payload, sink) {
      let isUnsubscribed = false;
      async function fail(error: unknown): Promise<void> {
        const shown = toSignedOut(error);
        if (isSessionEnd(shown)) await signedOut();
        if (!isUnsubscribed) sink.error(shown);
      }
      const unsubscribe = client.subscribe(payload, {
        next: (result) => sink.next(result as Parameters<typeof sink.next>[0]),
        error: (error) => void fail(error),
        complete: () => sink.complete(),
      });
      return () => {
        isUnsubscribed = true;
        unsubscribe();
      };
    },
    iterate: (payload) => iterate(client.iterate(payload)),
  };
}

function isSessionEnd(error: unknown): boolean {
  return error instanceof SignedOut && error.reason === closes.SESSION_ENDED.reason;
}

/** Returns a `SignedOut` for a final close event of Curfew, and any other error unchanged. */
function toSignedOut(error: unknown): unknown {
  const { code, reason } = (error ?? {}) as { readonly code?: unknown; readonly reason?: unknown };
  return code === finalCode && isFinal(reason) ? new SignedOut(reason) : error;
}

function isFinal(reason: unknown): reason is FinalCloseReason {
  return typeof reason === "string" && Object.hasOwn(signedOutMessages, reason);
}

function socketUrl(url: string): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  return new URL(url, location?.href).href.replace(/^http/, "ws");
}
