/** Sockets for subscriptions under the session, by graphql-ws: they come back as long as it lasts, and end with it. */
import type { Client, ClientOptions } from "graphql-ws";
import { backoff } from "./backoff.ts";
import type { Access, Session } from "./types.ts";
import { defaultPlatform, type Platform } from "./platform.ts";

export interface SocketOptions extends Omit<
  Partial<ClientOptions>,
  "connectionParams" | "shouldRetry" | "retryWait" | "retryAttempts" | "on"
> {
  /** Default: the session's, with `ws` for `http`. */
  readonly url?: string;
  /** Where time and chance come from; for tests. */
  readonly environment?: Partial<Platform>;
}

/** What a subscription ends with when its session ended, or when there was none: code 4401. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
  readonly code = 4401;
  /** Of the close: `UNAUTHENTICATED` when nobody was signed in. Why is in the session's `state`. */
  readonly reason: "SESSION_ENDED" | "UNAUTHENTICATED";

  constructor(reason: SignedOut["reason"]) {
    super(reason === "SESSION_ENDED" ? "The session has ended" : "Nobody is signed in");
    this.reason = reason;
  }
}

/** Milliseconds. */
const times = {
  /** From one ping to the next: a socket that died while the machine slept says nothing by itself. */
  keepAlive: 10_000,
  /** For the answer to a ping. */
  pong: 5_000,
  /** For the acknowledgement of a connection. */
  acknowledgement: 10_000,
} as const;

/**
 * A graphql-ws client whose subscriptions outlive renewals, lost connections and server restarts.
 * @param createClient that of graphql-ws
 */
export function createSocketClient(
  createClient: (options: ClientOptions) => Client,
  session: Session,
  { environment: replacements, ...options }: SocketOptions = {},
): Client {
  const environment = { ...defaultPlatform(), ...replacements };
  const { after, random } = environment;
  /** What the socket was opened with. */
  let access: Access | undefined;
  /** Attempts since the last acknowledgement. */
  let failures = 0;
  /** For a fresh token there is nothing to wait for. */
  let atOnce = false;
  let cancelPong = () => {};
  /** From its acknowledgement to its close. */
  let acknowledged: Pick<WebSocket, "send"> | undefined;
  /** A token from after the one that the socket was opened with, to be shown on it. */
  let newer: string | undefined;
  let unfollow = () => {};

  async function wait(time: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = after(time, over.resolve, "request");
    const stop = environment.onWake(over.resolve);
    await over.promise;
    cancel();
    stop();
  }

  /** Nothing is opened before there is a token for it, however long that takes. */
  async function ready(): Promise<Access | undefined> {
    for (;;) {
      try {
        return await session.access();
      } catch {
        // Each call waits for the outcome of another attempt.
      }
    }
  }

  /** Notes the renewals since the token that the socket is opened with. */
  function follow(): void {
    unfollow();
    newer = undefined;
    unfollow = session.onRenewal(({ token, sessionId }) => {
      // After another login the socket is still of the session before.
      if (sessionId === access?.sessionId) newer = token;
      show();
    });
  }

  /** The server closes the socket when the newest token shown on it expires. A ping is answered by any server. */
  function show(): void {
    if (acknowledged === undefined || newer === undefined) return;
    acknowledged.send(JSON.stringify({ type: "ping", payload: { token: newer } }));
    newer = undefined;
  }

  function closed({ code, reason }: { readonly code?: number; readonly reason?: string }): void {
    cancelPong();
    unfollow();
    acknowledged = undefined;
    // For 4401 that is the next subscription, after a login.
    if (code === 4401) failures = 0;
    atOnce = failures === 0 && (code === 4401 || code === 4403);
    if (access === undefined || (code !== 4401 && code !== 4403)) return;
    session.refused(access, reason === "SESSION_ENDED" ? "ENDED" : undefined);
  }

  const client = createClient({
    keepAlive: times.keepAlive,
    connectionAckWaitTimeout: times.acknowledgement,
    ...options,
    url: async () => {
      access = await ready();
      return options.url ?? socketUrl(session.url);
    },
    connectionParams: async () => {
      access = await session.access().catch(() => access);
      follow();
      return access && { token: access.token };
    },
    retryAttempts: Infinity,
    // Also what is no close event: a server that cannot be reached. What is final for graphql-ws stays so.
    shouldRetry: () => true,
    retryWait: async () => {
      const time = atOnce ? 0 : backoff(failures, random);
      failures += 1;
      atOnce = false;
      if (time > 0) await wait(time);
    },
    on: {
      connected: (socket) => {
        failures = 0;
        atOnce = false;
        acknowledged = socket as Pick<WebSocket, "send">;
        show();
      },
      ping: (isReceived) => {
        if (isReceived) return;
        cancelPong();
        cancelPong = after(times.pong, () => client.terminate(), "upkeep");
      },
      pong: (isReceived) => {
        if (isReceived) cancelPong();
      },
      closed: (event) => closed(event as { code?: number; reason?: string }),
    },
  });

  return {
    ...client,
    subscribe: (payload, sink) =>
      client.subscribe(payload, {
        next: (result) => sink.next(result as Parameters<typeof sink.next>[0]),
        error: (error) => sink.error(shown(error)),
        complete: () => sink.complete(),
      }),
    iterate: (payload) => iterate(client.iterate(payload)),
  };
}

async function* iterate<Result>(results: AsyncIterable<Result>) {
  try {
    yield* results;
  } catch (error) {
    throw shown(error);
  }
}

function shown(error: unknown): unknown {
  const { code, reason } = (error ?? {}) as { readonly code?: unknown; readonly reason?: unknown };
  if (code !== 4401 || (reason !== "SESSION_ENDED" && reason !== "UNAUTHENTICATED")) return error;
  return new SignedOut(reason);
}

function socketUrl(url: string): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  return new URL(url, location?.href).href.replace(/^http/, "ws");
}
