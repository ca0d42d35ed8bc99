/** The platform that the client runs on: clocks, timers, random numbers, network and tabs. Tests replace it. */

export interface Platform {
  readonly fetch: typeof fetch;
  /** Epoch milliseconds. The clock may be wrong, and the user may set it. */
  readonly wallClock: () => number;
  /** Milliseconds since an arbitrary point. The clock may stop while the machine sleeps. */
  readonly steadyClock: () => number;
  /** Returns a number from 0 to 1. */
  readonly random: () => number;
  /** Calls back once after that many milliseconds, or later. Returns a function that cancels it. */
  readonly after: (milliseconds: number, callback: () => void, purpose: Purpose) => () => void;
  /** Calls back when the network or the user may have returned. Returns a function that stops that. */
  readonly onWake: (callback: () => void) => () => void;
  /** The Web Locks of this origin; undefined if not supported. */
  readonly locks: Locks | undefined;
  /** Returns undefined if other tabs cannot be reached. */
  readonly openChannel: (
    name: string,
    receive: (message: unknown) => void,
  ) => TabChannel | undefined;
}

/** In Node, a timer for `upkeep` does not keep the process alive. */
export type Purpose = "upkeep" | "request";

/** The part of `navigator.locks` in use: https://w3c.github.io/web-locks/ */
export interface Locks {
  request<T>(
    name: string,
    options: { readonly signal: AbortSignal },
    callback: () => Promise<T>,
  ): Promise<T>;
}

/** Posts to all other channels of its name, and not to itself. */
export interface TabChannel {
  readonly post: (message: unknown) => void;
  readonly close: () => void;
}

/** The browser globals that Node or some browsers do not have. */
interface BrowserGlobals {
  readonly document?: EventSource & { readonly visibilityState: string };
  readonly addEventListener?: EventSource["addEventListener"];
  readonly removeEventListener?: EventSource["removeEventListener"];
  readonly navigator?: { readonly locks?: Locks };
  readonly BroadcastChannel?: new (name: string) => {
    addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
    postMessage(message: unknown): void;
    close(): void;
  };
}

interface EventSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/**
 * Returns the platform that runs this module. Locks and channels exist only in a browser tab: in Node, a
 * BroadcastChannel connects everything in the process, where each session may belong to another user.
 */
export function defaultPlatform(): Platform {
  const page = globalThis as unknown as BrowserGlobals;
  const inTab = page.document !== undefined;
  return {
    fetch: (...request) => fetch(...request),
    wallClock: Date.now,
    steadyClock: () => performance.now(),
    random: Math.random,
    after(milliseconds, callback, purpose) {
      const timer: unknown = setTimeout(callback, milliseconds);
      if (purpose === "upkeep") (timer as { unref?: () => void }).unref?.();
      return () => clearTimeout(timer as number);
    },
    onWake: (callback) => onWake(page, callback),
    locks: inTab ? page.navigator?.locks : undefined,
    openChannel(name, receive) {
      if (!inTab || page.BroadcastChannel === undefined) return undefined;
      const channel = new page.BroadcastChannel(name);
      channel.addEventListener("message", ({ data }) => receive(data));
      return {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin
        post: (message) => channel.postMessage(message),
        close: () => channel.close(),
      };
    },
  };
}

function onWake(page: BrowserGlobals, callback: () => void): () => void {
  const { document } = page;
  const onVisibilityChange = () => {
    if (document?.visibilityState === "visible") callback();
  };
  document?.addEventListener("visibilitychange", onVisibilityChange);
  // A page that returns from the back/forward cache receives no `visibilitychange`.
  const events = ["online", "pageshow"];
  for (const event of events) page.addEventListener?.(event, callback);
  return () => {
    document?.removeEventListener("visibilitychange", onVisibilityChange);
    for (const event of events) page.removeEventListener?.(event, callback);
  };
}

/**
 * Returns a clock in milliseconds that also counts while the machine sleeps, and never runs backwards when
 * the wall clock is set.
 */
export function elapsedClock({
  wallClock,
  steadyClock,
}: Pick<Platform, "wallClock" | "steadyClock">): () => number {
  let [wall, steady, elapsed] = [wallClock(), steadyClock(), 0];
  return () => {
    const [wallNow, steadyNow] = [wallClock(), steadyClock()];
    elapsed += Math.max(wallNow - wall, steadyNow - steady, 0);
    [wall, steady] = [wallNow, steadyNow];
    return elapsed;
  };
}
