/** What several settings have to be: numbers, durations, texts of a kind. */
import { z } from "zod";

/** In milliseconds. */
export const second = 1000;
export const day = 86_400 * second;

export function whole(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int(error).min(min, error).max(max, error);
}

export function duration(minMilliseconds: number, maxDays: number) {
  const error = `a duration from ${minMilliseconds}ms to ${maxDays}d`;
  return z
    .int(error)
    .min(minMilliseconds, error)
    .max(maxDays * day, error);
}

export function is32Bytes(secret: string): boolean {
  return Buffer.byteLength(secret) >= 32;
}

/** Browsers send no path, no default port and no capitals, so an origin with one would never match. */
export function isOrigin(text: string): boolean {
  const origin = text.replace("://*.", "://any.");
  return /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
}

/** KiB that so many passes of argon2id need: the OWASP Password Storage Cheat Sheet takes them for equal. */
export function leastMemory(passes: number): number {
  return [47_104, 19_456, 12_288, 9216][passes - 1] ?? 7168;
}
