/** Tabs of one browser, a network that does what it is told, and the real use cases behind it, all on one clock. */
import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Access, Session as ClientSession } from "../../src/client/types.ts";
import type { Channel, Platform, Locks } from "../../src/client/platform.ts";
import type { SessionOptions } from "../../src/client/session.ts";
import { KeyRing } from "../../src/session/keys.ts";
import type { Issued } from "../../src/session/sessions.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { secrets } from "../helpers/curfew.ts";
import { memoryStore, memoryPubSub } from "../helpers/backends.ts";
import { device } from "../helpers/sessions.ts";

const second = 1_000;
const minute = 60 * second;
export const lifetimes = {
  access: 30 * minute,
  renewal: 30 * 24 * 60 * minute,
  absolute: 90 * 24 * 60 * minute,
  grace: 10 * second,
};

/** What becomes of a request. */
export type Fate =
  | { readonly type: "answered"; readonly there: number; readonly back: number }
  /** It does not arrive. */
  | { readonly type: "lost" }
  /** It does what it should, and the connection breaks. */
  | { readonly type: "answerLost" }
  /** Nothing comes of it, not even an error. */
  | { readonly type: "swallowed" }
  | { readonly type: "answerSwallowed" }
  | { readonly type: "status503" }
  | { readonly type: "unavailable" }
  | { readonly type: "throttled" };

export const prompt: Fate = { type: "answered", there: 20, back: 20 };

export interface WorldOptions {
  readonly createSession: (options: SessionOptions) => ClientSession;
  /** By how much the clocks of the tabs are ahead of the server's. */
  readonly skew?: number;
  /** What becomes of the next requests; the rest are answered promptly. */
  readonly fates?: readonly Fate[];
  readonly replacements?: Partial<Platform>;
  readonly lifetimes?: typeof lifetimes;
}

interface Timer {
  at: number;
  readonly callback: () => void;
}

/** Nothing comes from outside but what fast-check chose. */
export class World implements AsyncDisposable {
  now = 1_800_000_000_000;
  skew: number;
  readonly fates: Fate[];
  readonly sessions: Sessions;
  readonly tabs: ClientSession[] = [];
  /** Reasons of the renewals that the server refused. */
  readonly refusals: string[] = [];
  /** What ought not to have happened, by those who saw it. */
  readonly faults: unknown[] = [];
  /** Renewals that reached the server. */
  renewals = 0;
  mostAtOnce = 0;
  #atOnce = 0;
  /** How long the machine has slept. */
  #slept = 0;
  readonly #timers = new Set<Timer>();
  readonly #wakers = new Set<() => void>();
  readonly #channels = new Set<{ name: string; receive: (message: unknown) => void }>();
  readonly #lockQueues = new Map<string, Promise<unknown>>();
  readonly #options: WorldOptions;
  readonly #store = memoryStore();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.skew = options.skew ?? 0;
    this.fates = [...(options.fates ?? [])];
    this.sessions = new Sessions({
      store: this.#store,
      pubsub: memoryPubSub(),
      ring: new KeyRing(secrets),
      lifetimes: options.lifetimes ?? lifetimes,
      isUserDisabled: async () => false,
      clock: () => Math.floor(this.now),
      randomBytes,
      reportError: () => {},
    });
  }

  open(options: Partial<SessionOptions> = {}): ClientSession {
    const tab = this.#options.createSession({
      url: "https://curfew.test/graphql",
      ...options,
      environment: { ...this.environment(), ...this.#options.replacements, ...options.environment },
    });
    this.tabs.push(tab);
    return tab;
  }

  environment(): Platform {
    let chance = 1;
    return {
      fetch: (_url, init) => this.#fetch(init ?? {}),
      wallClock: () => this.now + this.skew,
      steadyClock: () => this.now - this.#slept,
      // Any, but the same in each run.
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

  /** Lets the time pass, with all that happens in it. */
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

  /** The lid is closed: no timer runs, and some machines stop the steady clock. */
  async sleep(time: number): Promise<void> {
    await this.#settle();
    this.now += time;
    this.#slept += time;
    for (const timer of this.#timers) timer.at += time;
    for (const wake of this.#wakers) wake();
    await this.#settle();
  }

  /** What it resolves to while so much time passes, or its error; "pending" when it does neither. */
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

  /** Whether the server accepts it now, at first sight. */
  isValid(token: string): boolean {
    return this.sessions.verify(token).ok;
  }

  async isLive(sessionId: string): Promise<boolean> {
    const live = await this.sessions.list("ada");
    return live.some(({ fingerprint }) => fingerprint === sessionId);
  }

  /** What the tab would send now. */
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
    // For the other tabs to hear of it.
    await this.pass(100);
    return outcome.sessionId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tab of this.tabs) tab.dispose();
    await this.#settle();
    await this.#store.close();
  }

  /** What is asynchronous and takes no time: the store, the promises. */
  async #settle(): Promise<void> {
    await turn();
    await turn();
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
    const fate = this.fates.shift() ?? prompt;
    const isRenewal = query.includes("renew(");
    const aborted = new Promise<never>((_, reject) =>
      signal?.addEventListener("abort", () => reject(new Error("Aborted"))),
    );
    aborted.catch(() => {});
    if (isRenewal) this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    try {
      return await Promise.race([this.#answer(fate, serve), aborted]);
    } finally {
      if (isRenewal) this.#atOnce -= 1;
    }
  }

  async #answer(fate: Fate, serve: () => Promise<unknown>): Promise<Response> {
    switch (fate.type) {
      case "answered": {
        await this.#wait(fate.there);
        const result = await serve();
        await this.#wait(fate.back);
        return answer({ data: { result } });
      }
      case "lost":
        throw new TypeError("fetch failed");
      case "answerLost":
        await serve();
        throw new TypeError("fetch failed");
      case "swallowed":
        return new Promise(() => {});
      case "answerSwallowed":
        await serve();
        return new Promise(() => {});
      case "status503":
        return answer(new SyntaxError("Unexpected token '<'"));
      case "unavailable":
        return answer({
          errors: [{ message: "Later.", extensions: { code: "SERVICE_UNAVAILABLE" } }],
        });
      case "throttled":
        return answer({
          data: {
            result: { __typename: "TooManyAttempts", message: "Later.", retryAfterSeconds: 5 },
          },
        });
    }
  }

  async #serve(query: string, variables: any, token: string | undefined): Promise<unknown> {
    if (query.includes("login(")) return shown(await this.sessions.start("ada", device));
    if (query.includes("logout(")) {
      const claims = this.sessions.identify(variables.token);
      return { endedSessions: claims && (await this.sessions.endByToken(claims, "LOGOUT")) };
    }
    if (query.includes("changePassword(")) {
      const authentication = await this.sessions.authenticate(token);
      if (authentication.state !== "signedIn") return null;
      // Two passwords are hashed, and meanwhile others may renew.
      await this.#wait(100);
      const reissue = await this.sessions.reissue(authentication.claims);
      if (reissue.outcome === "refused") return null;
      const { tokens } = shown(reissue);
      return { __typename: "PasswordChanged", endedSessions: 0, tokens };
    }
    this.renewals += 1;
    const renewal = await this.sessions.renew(variables.renewalToken);
    if (renewal.outcome === "renewed") return shown(renewal);
    this.refusals.push(renewal.reason);
    return { __typename: "RenewalRefused", message: "No.", reason: renewal.reason };
  }

  #openChannel(name: string, receive: (message: unknown) => void): Channel {
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

/** All that is read of it, and without the turns of the event loop that a real one takes. */
function answer(body: unknown): Response {
  const json = async () => {
    if (body instanceof Error) throw body;
    return body;
  };
  return { json } as Response;
}

function shown({ session, tokens }: Issued) {
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
