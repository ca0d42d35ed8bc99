/** The tokens of a session, as a tab stores them and sends them to the other tabs. */
import { tokenOffsets, tokenPrefixes } from "../protocol/token-format.ts";
import type { IssuedTokens } from "./requests.ts";
import type { Access } from "./types.ts";

export interface StoredTokens {
  readonly sessionId: string;
  readonly userId: string;
  /** The server's count of renewals: of two pairs, the newer one has the higher generation. */
  readonly generation: number;
  readonly accessToken: string;
  readonly renewalToken: string;
  /** When the client sent the request for them, by this machine's clock: epoch milliseconds. */
  readonly askedAt: number;
  /** When the server issued them, by its own clock. */
  readonly renewedAt: number;
  /** How long the server accepts the access token after `askedAt`, at least (ms). */
  readonly lifetime: number;
}

export function accessOf({ accessToken: token, sessionId }: StoredTokens): Access {
  return { token, sessionId };
}

/** The part of `localStorage` and `sessionStorage` in use. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Reads and writes a storage. A storage that is full, forbidden or has another value counts as empty. */
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
    write(tokens: StoredTokens | undefined): void {
      try {
        if (tokens === undefined) storage?.removeItem(key);
        else storage?.setItem(key, JSON.stringify(tokens));
      } catch {
        // The tokens remain in memory.
      }
    },
  };
}

const stringFields = ["sessionId", "userId", "accessToken", "renewalToken"] as const;
const numberFields = ["generation", "askedAt", "renewedAt", "lifetime"] as const;

/** Whether all fields are present. Without its times, a pair would be neither fresh nor ever due. */
export function isStoredTokens(value: unknown): value is StoredTokens {
  const tokens = (value ?? {}) as Partial<Record<keyof StoredTokens, unknown>>;
  return (
    stringFields.every((field) => typeof tokens[field] === "string") &&
    numberFields.every((field) => Number.isFinite(tokens[field]))
  );
}

/**
 * Reads the generation from an access token, as an unsigned 32-bit integer. The client cannot count
 * generations itself: the server may renew twice while one response is in flight.
 *
 * @param fallback the result if the token has another format
 */
export function generationOf(token: string, fallback: number): number {
  const { access: prefix } = tokenPrefixes;
  // 16 characters of base64url are 12 bytes: all up to the end of the generation.
  const start = token.slice(prefix.length, prefix.length + 16);
  if (!token.startsWith(prefix) || !/^[\w-]{16}$/.test(start)) return fallback;
  const bytes = atob(start.replaceAll("-", "+").replaceAll("_", "/"));
  let generation = 0;
  for (let i = 0; i < 4; i += 1)
    generation = generation * 256 + bytes.charCodeAt(tokenOffsets.generation + i);
  return generation;
}

/** The shortest lifetime (ms): limits the rate of renewals at the very end of a session. */
const minLifetime = 1_000;

/** @param before the tokens that were renewed; undefined after a login */
export function storedTokensOf(
  { tokens, viewer }: IssuedTokens,
  askedAt: number,
  before?: StoredTokens,
): StoredTokens {
  const { session, user } = viewer;
  const renewedAt = Date.parse(session.renewedAt);
  // The server may return tokens that it issued to an earlier request whose response was lost. Then less
  // time has passed on the server's clock than here, and the difference is subtracted.
  const [elapsedHere, elapsedThere] = before
    ? [askedAt - before.askedAt, renewedAt - before.renewedAt]
    : [0, 0];
  const fullLifetime = Date.parse(tokens.accessTokenExpiresAt) - renewedAt;
  return {
    sessionId: session.id,
    userId: user?.id ?? before?.userId ?? "",
    generation: generationOf(tokens.accessToken, before === undefined ? 0 : before.generation + 1),
    accessToken: tokens.accessToken,
    renewalToken: tokens.renewalToken,
    askedAt,
    renewedAt,
    lifetime: Math.max(fullLifetime - Math.max(elapsedHere - elapsedThere, 0), minLifetime),
  };
}
