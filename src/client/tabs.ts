/** The tabs of one origin that share a session: one of them at a time changes it, and tells the others. */
import type { SignedOutReason } from "./types.ts";
import type { Platform } from "./platform.ts";
import type { StoredTokens } from "./stored-tokens.ts";

export type Message =
  /** The newest pair; `login` when it is that of another session than before. */
  | { readonly type: "pair"; readonly pair: StoredTokens; readonly login: boolean }
  | {
      readonly type: "ended";
      readonly sessionId: string;
      readonly reason: SignedOutReason;
      /** Tabs with a later pair are not signed out. Absent where the whole session is over. */
      readonly generation?: number;
    }
  /** The sender uses up the pair of that generation. */
  | { readonly type: "renewing"; readonly sessionId: string; readonly generation: number }
  /** Who has a newer pair of that session, or any where none is named? */
  | { readonly type: "ask"; readonly sessionId: string | undefined; readonly generation: number };

export interface Tabs {
  /** Whether there may be others. */
  readonly shared: boolean;
  readonly post: (message: Message) => void;
  /** Runs it when nobody else does, in this tab or another. */
  readonly exclusive: <T>(task: () => Promise<T>) => Promise<T>;
  readonly close: () => void;
}

/**
 * Longer than some tabs in a row take: who still holds the lock then is one that the browser has put to
 * sleep, and the server takes two renewals at once for one. Milliseconds.
 */
const lockPatience = 60_000;

export function openTabs(
  { locks, openChannel, after }: Platform,
  name: string,
  receive: (message: Message) => void,
): Tabs {
  let channel = openChannel(name, (message) => receive(message as Message));
  let last: Promise<unknown> = Promise.resolve();

  /** A task does not reject: what does is a lock that cannot be had. */
  async function locked<T>(task: () => Promise<T>): Promise<T> {
    if (locks === undefined) return task();
    const waiting = new AbortController();
    const cancel = after(lockPatience, () => waiting.abort(), "request");
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
    shared: channel !== undefined,
    post: (message) => channel?.post(message),
    exclusive(task) {
      const result = last.then(() => locked(task));
      last = result.catch(() => {});
      return result;
    },
    close() {
      channel?.close();
      channel = undefined;
    },
  };
}
