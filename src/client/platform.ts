/** What the client takes from where it runs: time, chance, network and the other tabs; tests bring their own. */

export interface Platform {
  readonly fetch: typeof fetch;
  /** Epoch milliseconds. It may be wrong, and be set. */
  readonly wallClock: () => number;
  /** Milliseconds since any point. It may stand still while the machine sleeps. */
  readonly steadyClock: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Calls back once after that many milliseconds, or later; returns what cancels it. */
  readonly after: (milliseconds: number, callback: () => void, purpose: Purpose) => () => void;
  /** Calls back when the network or the user may have come back; returns what stops that. */
  readonly onWake: (callback: () => void) => () => void;
  /** The Web Locks of this origin; undefined where there are none. */
  readonly locks: Locks | undefined;
  /** Undefined where no other tab can be reached. */
  readonly openChannel: (name: string, receive: (message: unknown) => void) => Channel | undefined;
}

/** In Node `upkeep` alone does not keep a process from its end. */
export type Purpose = "upkeep" | "request";

/** As `navigator.locks`: https://w3c.github.io/web-locks/ */
export interface Locks {
  request<T>(
    name: string,
    options: { readonly signal: AbortSignal },
    callback: () => Promise<T>,
  ): Promise<T>;
}

/** Reaches all others of its name, and not itself. */
export interface Channel {
  readonly post: (message: unknown) => void;
  readonly close: () => void;
}

/** Of the browser's globals, those that Node does not have or that not every browser has. */
interface Page {
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
 * Tabs are those of a browser. The BroadcastChannel of Node joins whatever runs in one process, and there
 * each session may be another user's.
 */
export function defaultPlatform(): Platform {
  const page = globalThis as unknown as Page;
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

function onWake(page: Page, callback: () => void): () => void {
  const { document } = page;
  const generationAtRead = () => {
    if (document?.visibilityState === "visible") callback();
  };
  document?.addEventListener("visibilitychange", generationAtRead);
  // A page that comes back from the browser's cache was not told that it is visible.
  const events = ["online", "pageshow"];
  for (const event of events) page.addEventListener?.(event, callback);
  return () => {
    document?.removeEventListener("visibilitychange", generationAtRead);
    for (const event of events) page.removeEventListener?.(event, callback);
  };
}

/** Time that goes on while the machine sleeps, and does not go back when the clock is set. */
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
