/** Records secrets in logs and errors; `secrecy-check.ts` then fails the current test. */

/** Texts that contain a secret; emptied at the end of each test. */
export const leaks: string[] = [];

const token = /curfew_(?:access|renewal)_[\w-]{88}/;

/** Records the text if it contains a whole token or one of the secrets. */
export function recordLeaks(where: string, text: string, ...secrets: readonly string[]): void {
  if (token.test(text) || secrets.some((secret) => text.includes(secret)))
    leaks.push(`In ${where}: ${text}`);
}
