/** In the whole run no server may log, and no error tell, what would let anybody in. */

/** What did, until the test at whose end it was found has failed. */
export const shown: string[] = [];

const token = /curfew_(?:access|renewal)_[\w-]{88}/;

/** Notes the text if a whole token, or one of the secrets, stands in it. */
export function noSecretIn(where: string, text: string, ...secrets: readonly string[]): void {
  if (token.test(text) || secrets.some((secret) => text.includes(secret)))
    shown.push(`In ${where}: ${text}`);
}
