/** Simulates the tabs of a browser and a network with scripted faults, in front of real sessions, on one clock. */
import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Access, Session as ClientSession } from "../../src/client/types.ts";
import type { Locks, Platform, TabChannel } from "../../src/client/platform.ts";
import type { SessionOptions } from "../../src/client/session.ts";
import { KeyRing } from "../../src/session/keys.ts";
import type { Issued } from "../../src/session/sessions.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { secrets } from "../helpers/curfew.ts";
import { memoryStore, memoryPubSub } from "../helpers/backends.ts";
import { device } from "../helpers/sessions.ts";
import { everyoneEnabled } from "../helpers/users.ts";

const second = 1_000;
const minute = 60 * second;
export const lifetimes = {
  access: 30 * minute,
  renewal: 30 * 24 * 60 * minute,
  absolute: 90 * 24 * 60 * minute,
  grace: 10 * second,
};

/** How the network delivers a request and its response. */
export type Delivery =
  | { readonly type: "delivered"; readonly there: number; readonly back: number }
  /** The connection fails before the server receives the request. */
  | { readonly type: "requestLost" }
  /** The server executes the request, and the connection fails before the response. */
  | { readonly type: "responseLost" }
  /** The server receives nothing, and the client receives no error. */
  | { readonly type: "requestHangs" }
  /** The server executes the request, and the client receives neither response nor error. */
  | { readonly type: "responseHangs" }
  | { readonly type: "status503" }
  | { readonly type: "unavailable" }
  | { readonly type: "throttled" };

export const prompt: Delivery = { type: "delivered", there: 20, back: 20 };

export interface FakeNetworkOptions {
  readonly createSession: (options: SessionOptions) => ClientSession;
  /** How far the tabs' clocks are ahead of the server's (ms). */
  readonly skew?: number;
  /** Deliveries of the next requests. Later requests are delivered promptly. */
  readonly deliveries?: readonly Delivery[];
  readonly replacements?: Partial<Platform>;
  readonly lifetimes?: typeof lifetimes;
}

interface Timer {
  at: number;
  readonly callback: () => void;
}

/** Deterministic: its only input is its options and calls. */
export class FakeNetwork implements AsyncDisposable {
  now = 1_800_000_000_000;
  skew: number;
  readonly deliveries: Delivery[];
  readonly sessions: Sessions;
  readonly tabs: ClientSession[] = [];
  /** The reasons of refused renewals. */
  readonly refusals: string[] = [];
  /** Violations that checks have found. */
  readonly violations: unknown[] = [];
  /** How many renewals reached the server. */
  renewals = 0;
  /** The maximum number of renewals in flight. */
  maxInFlight = 0;
  #inFlight = 0;
  /** How long the machine has slept (ms). */
  #slept = 0;
  readonly #timers = new Set<Timer>();
  readonly #wakers = new Set<() => void>();
  readonly #channels = new Set<{ name: string; receive: (message: unknown) => void }>();
  readonly #lockQueues = new Map<string, Promise<unknown>>();
  readonly #options: FakeNetworkOptions;
  readonly #store = memoryStore();

  constructor(options: FakeNetworkOptions) {
    this.#options = options;
    this.skew = options.skew ?? 0;
    this.deliveries = [...(options.deliveries ?? [])];
    this.sessions = new Sessions({
      store: this.#store,
      pubsub: memoryPubSub(),
      ring: new KeyRing(secrets),
      lifetimes: options.lifetimes ?? lifetimes,
      userStatus: everyoneEnabled,
      clock: () => Math.floor(this.now),
      randomBytes,
      reportError: () => {},
    });
  }

  open(options: Partial<SessionOptions> = {}): ClientSession {
    const tab = this.#options.createSession({
      url: "https://curfew.test/graphql",
      ...options,
      platform: { ...this.platform(), ...this.#options.replacements, ...options.platform },
    });
    this.tabs.push(tab);
    return tab;
  }

  platform(): Platform {
    let chance = 1;
    return {
      fetch: (_url, init) => this.#fetch(init ?? {}),
      wallClock: () => this.now + this.skew,
      steadyClock: () => this.now - this.#slept,
      // Arbitrary, but the same in each run.
      random: () => (chance = (chance * 16_807) % 2_147_483_647) / 2_147_483_647,
      after: (milliseconds, callback) => {
        const timer = { at: this.now + milliseconds, callback };
        this.#timers.add(timer);
        return () => this.#timers.delete(timer);
      },
      onWake: (callback) => {
        this.#wakers.add(callback);
        return () => this.#wakers.delete(callback);
      },
      locks: this.locks,
      openChannel: (name, receive) => this.#openChannel(name, receive),
    };
  }

  /** Advances the clock, and runs all timers that are due. */
  async pass(time: number): Promise<void> {
    const end = this.now + time;
    await this.#settle();
    for (;;) {
      const next = [...this.#timers].reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.at < first.at ? timer : first),
        undefined,
      );
      if (next === undefined || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      this.#timers.delete(next);
      next.callback();
      await this.#settle();
    }
    this.now = end;
  }

  /** Simulates sleep: no timer runs, and the steady clock stops, as on some machines. */
  async sleep(time: number): Promise<void> {
    await this.#settle();
    this.now += time;
    this.#slept += time;
    for (const timer of this.#timers) timer.at += time;
    for (const wake of this.#wakers) wake();
    await this.#settle();
  }

  /** Advances the clock until the promise settles. Returns its value or error, or "pending" after that time. */
  async outcome<T>(promise: Promise<T>, time = minute): Promise<T | Error | "pending"> {
    const outcomes: (T | Error)[] = [];
    promise.then(
      (value) => outcomes.push(value),
      (error: unknown) => outcomes.push(error as Error),
    );
    const end = this.now + time;
    while (outcomes.length === 0 && this.now < end) await this.pass(100);
    return outcomes.length === 0 ? "pending" : (outcomes[0] as T | Error);
  }

  /** Whether the server accepts the token now, without a look at the store. */
  isValid(token: string): boolean {
    return this.sessions.verify(token).ok;
  }

  async isLive(sessionId: string): Promise<boolean> {
    const live = await this.sessions.list("ada");
    return live.some(({ fingerprint }) => fingerprint === sessionId);
  }

  /** Returns the tab's current access. */
  async access(tab: ClientSession): Promise<Access> {
    const access = await this.outcome(tab.access());
    if (access === undefined || access === "pending" || access instanceof Error)
      throw new Error("No access", { cause: access });
    return access;
  }

  async login(tab: ClientSession): Promise<string> {
    const credentials = { email: "ada@example.com", password: "correct horse battery staple" };
    const outcome = await this.outcome(tab.login(credentials));
    if (outcome === "pending" || outcome instanceof Error || outcome.__typename !== "SignedIn")
      throw new Error("No login", { cause: outcome });
    // Lets the other tabs receive the tokens.
    await this.pass(100);
    return outcome.sessionId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tab of this.tabs) tab.dispose();
    await this.#settle();
    await this.#store.close();
  }

  /** Lets asynchronous work finish that takes no simulated time: the store, promises. */
  async #settle(): Promise<void> {
    await nextTurn();
    await nextTurn();
  }

  #wait(time: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timers.add({ at: this.now + time, callback: resolve });
    });
  }

  async #fetch({ body, signal, headers }: RequestInit): Promise<Response> {
    const { query, variables } = JSON.parse(body as string);
    const token = new Headers(headers).get("authorization")?.replace("Bearer ", "");
    const serve = () => this.#serve(query, variables, token);
    const delivery = this.deliveries.shift() ?? prompt;
    const isRenewal = query.includes("renew(");
    const aborted = new Promise<never>((_, reject) =>
      signal?.addEventListener("abort", () => reject(new Error("Aborted"))),
    );
    aborted.catch(() => {});
    if (isRenewal) this.#inFlight += 1;
    this.maxInFlight = Math.max(this.maxInFlight, this.#inFlight);
    try {
      return await Promise.race([this.#deliver(delivery, serve), aborted]);
    } finally {
      if (isRenewal) this.#inFlight -= 1;
    }
  }

  async #deliver(delivery: Delivery, serve: () => Promise<unknown>): Promise<Response> {
    switch (delivery.type) {
      case "delivered": {
        await this.#wait(delivery.there);
        const result = await serve();
        await this.#wait(delivery.back);
        return responseOf({ data: { result } });
      }
      case "requestLost":
        throw new TypeError("fetch failed");
      case "responseLost":
        await serve();
        throw new TypeError("fetch failed");
      case "requestHangs":
        return new Promise(() => {});
      case "responseHangs":
        await serve();
        return new Promise(() => {});
      case "status503":
        return responseOf(new SyntaxError("Unexpected token '<'"));
      case "unavailable":
        return responseOf({
          errors: [{ message: "Later.", extensions: { code: "SERVICE_UNAVAILABLE" } }],
        });
      case "throttled":
        return responseOf({
          data: {
            result: { __typename: "TooManyAttempts", message: "Later.", retryAfterSeconds: 5 },
          },
        });
    }
  }

  async #serve(query: string, variables: any, token: string | undefined): Promise<unknown> {
    if (query.includes("login(")) return signedInResult(await this.sessions.start("ada", device));
    if (query.includes("logout(")) {
      const claims = this.sessions.identify(variables.token);
      return { endedSessions: claims && (await this.sessions.endByToken(claims, "LOGOUT")) };
    }
    if (query.includes("changePassword(")) {
      const authentication = await this.sessions.authenticate(token);
      if (authentication.state !== "signedIn") return null;
      // Hashing two passwords takes time, in which other tabs may renew.
      await this.#wait(100);
      const reissue = await this.sessions.reissue(authentication.claims);
      if (reissue.outcome === "refused") return null;
      const { tokens } = signedInResult(reissue);
      return { __typename: "PasswordChanged", endedSessions: 0, tokens };
    }
    this.renewals += 1;
    const renewal = await this.sessions.renew(variables.renewalToken);
    if (renewal.outcome === "renewed") return signedInResult(renewal);
    this.refusals.push(renewal.reason);
    return { __typename: "RenewalRefused", message: "No.", reason: renewal.reason };
  }

  #openChannel(name: string, receive: (message: unknown) => void): TabChannel {
    const end = { name, receive };
    this.#channels.add(end);
    return {
      post: (message) => {
        const copy = structuredClone(message);
        for (const other of this.#channels)
          if (other !== end && other.name === name)
            void this.#wait(10).then(() => this.#channels.has(other) && other.receive(copy));
      },
      close: () => this.#channels.delete(end),
    };
  }

  readonly locks: Locks = {
    request: (name, { signal }, task) => {
      const before = this.#lockQueues.get(name) ?? Promise.resolve();
      const result = before.then(() => {
        if (signal.aborted) throw new Error("Aborted");
        return task();
      });
      this.#lockQueues.set(
        name,
        result.catch(() => {}),
      );
      const aborted = new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(new Error("Aborted"))),
      );
      aborted.catch(() => {});
      return Promise.race([result, aborted]);
    },
  };
}

/** Returns a response with only `json`, which needs no extra turns of the event loop. */
function responseOf(body: unknown): Response {
  const json = async () => {
    if (body instanceof Error) throw body;
    return body;
  };
  return { json } as Response;
}

function signedInResult({ session, tokens }: Issued) {
  return {
    __typename: "SignedIn",
    tokens: {
      accessToken: tokens.accessToken,
      accessTokenExpiresAt: new Date(session.accessExpiresAt).toISOString(),
      renewalToken: tokens.renewalToken,
    },
    viewer: {
      session: { id: session.fingerprint, renewedAt: new Date(session.renewedAt).toISOString() },
      user: { id: session.userId },
    },
  };
}
