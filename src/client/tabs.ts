/** Connects the tabs of an origin that share a session: a channel between them, and a lock for changes. */
import type { EndReason, SignedOutReason } from "./types.ts";
import type { Platform } from "./platform.ts";
import type { StoredTokens } from "./stored-tokens.ts";

export type TabMessage =
  /** The newest tokens. `login` is true for a session that replaces the one before. */
  | { readonly type: "pair"; readonly pair: StoredTokens; readonly login: boolean }
  | ({ readonly type: "ended" } & SessionEnd)
  /** The sender is about to renew the tokens of that generation. */
  | { readonly type: "renewing"; readonly sessionId: string; readonly generation: number }
  /** Requests newer tokens of that session, or of any session if it names none. */
  | { readonly type: "ask"; readonly sessionId: string | undefined; readonly generation: number };

export interface SessionEnd {
  readonly sessionId: string;
  readonly reason: SignedOutReason;
  /** Tabs of earlier versions do not send it. */
  readonly endReason?: EndReason | undefined;
  /** Tabs with later tokens stay signed in. Absent if the whole session has ended. */
  readonly generation?: number;
}

export interface Tabs {
  /** Whether other tabs may exist. */
  readonly canShare: boolean;
  readonly post: (message: TabMessage) => void;
  /** Runs the task while no other task runs, in this tab or another. */
  readonly runExclusive: <T>(task: () => Promise<T>) => Promise<T>;
  readonly close: () => void;
}

/**
 * How long to wait for the lock (ms): longer than several tabs need in a row. A tab that holds the lock
 * longer is suspended. Renewing without the lock is safe, because the server returns the same tokens.
 */
const lockTimeout = 60_000;

export function openTabs(
  { locks, openChannel, after }: Platform,
  name: string,
  receive: (message: TabMessage) => void,
): Tabs {
  let channel = openChannel(name, (message) => receive(message as TabMessage));
  let last: Promise<unknown> = Promise.resolve();

  /** Runs without the lock if the lock cannot be acquired. Tasks do not reject, so a rejection is the lock's. */
  async function withLock<T>(task: () => Promise<T>): Promise<T> {
    if (locks === undefined) return task();
    const waiting = new AbortController();
    const cancel = after(lockTimeout, () => waiting.abort(), "request");
    let running: Promise<T> | undefined;
    try {
      return await locks.request(name, { signal: waiting.signal }, () => {
        cancel();
        return (running = task());
      });
    } catch {
      return await (running ?? task());
    } finally {
      cancel();
    }
  }

  return {
    canShare: channel !== undefined,
    post: (message) => channel?.post(message),
    runExclusive(task) {
      const result = last.then(() => withLock(task));
      last = result.catch(() => {});
      return result;
    },
    close() {
      channel?.close();
      channel = undefined;
    },
  };
}
