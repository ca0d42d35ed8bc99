/** The tokens that a tab holds, and in what form they go to the other tabs and into a storage. */
import type { Issued } from "./requests.ts";

export interface StoredTokens {
  readonly sessionId: string;
  readonly userId: string;
  /** As the server counts it: the newer of two pairs has the greater one. */
  readonly generation: number;
  readonly accessToken: string;
  readonly renewalToken: string;
  /** When it was asked for, by the clock of this machine: epoch milliseconds. */
  readonly askedAt: number;
  /** When the server made it, by its own clock. */
  readonly renewedAt: number;
  /** Milliseconds that the server accepts the access token from `askedAt` on, or longer. */
  readonly lifetime: number;
}

/** As `localStorage` and `sessionStorage` are. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A storage that is full, forbidden or holds something else is as good as an empty one. */
export function tokenStorage(storage: TokenStorage | undefined, key: string) {
  return {
    read(): StoredTokens | undefined {
      try {
        const value: unknown = JSON.parse(storage?.getItem(key) ?? "null");
        return isStoredTokens(value) ? value : undefined;
      } catch {
        return undefined;
      }
    },
    write(pair: StoredTokens | undefined): void {
      try {
        if (pair === undefined) storage?.removeItem(key);
        else storage?.setItem(key, JSON.stringify(pair));
      } catch {
        // The pair is in memory.
      }
    },
  };
}

const texts = ["sessionId", "userId", "accessToken", "renewalToken"] as const;
const numbers = ["generation", "askedAt", "renewedAt", "lifetime"] as const;

/** Whether all of it is there: without its times, it would neither be fresh nor ever due. */
export function isStoredTokens(value: unknown): value is StoredTokens {
  const pair = (value ?? {}) as Partial<Record<keyof StoredTokens, unknown>>;
  return (
    texts.every((field) => typeof pair[field] === "string") &&
    numbers.every((field) => Number.isFinite(pair[field]))
  );
}

/**
 * The generation that stands in a token: an unsigned integer in bytes 8 to 11 of its body, which is base64url.
 * Counted here it would be wrong where the server went two steps in the time of one answer.
 *
 * @param otherwise where the token does not say
 */
export function generationOf(token: string, otherwise: number): number {
  const [, start] = /^curfew_access_([\w-]{16})/.exec(token) ?? [];
  if (start === undefined) return otherwise;
  const bytes = atob(start.replaceAll("-", "+").replaceAll("_", "/"));
  return [8, 9, 10, 11].reduce((sum, at) => sum * 256 + bytes.charCodeAt(at), 0);
}

/** Milliseconds from one renewal to the next, at least: at the very end of a session hardly any are left. */
const pace = 1_000;

/** @param before what was renewed, where it was no login */
export function storedTokensOf(
  { tokens, viewer }: Issued,
  askedAt: number,
  before?: StoredTokens,
): StoredTokens {
  const { session, user } = viewer;
  const renewedAt = Date.parse(session.renewedAt);
  // An earlier request may have made it whose answer was lost: then less time passed there than here.
  const [here, there] = before ? [askedAt - before.askedAt, renewedAt - before.renewedAt] : [0, 0];
  const whole = Date.parse(tokens.accessTokenExpiresAt) - renewedAt;
  return {
    sessionId: session.id,
    userId: user?.id ?? before?.userId ?? "",
    generation: generationOf(tokens.accessToken, before === undefined ? 0 : before.generation + 1),
    accessToken: tokens.accessToken,
    renewalToken: tokens.renewalToken,
    askedAt,
    renewedAt,
    lifetime: Math.max(whole - Math.max(here - there, 0), pace),
  };
}
