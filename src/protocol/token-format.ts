/** The format of tokens: a prefix that names the kind, then 66 bytes in base64url. */

/** The prefix of each kind of token. */
export const tokenPrefixes = {
  access: "curfew_access_",
  renewal: "curfew_renewal_",
} as const;

/** A renewal token is called refresh token in OAuth. */
export type TokenKind = keyof typeof tokenPrefixes;

/** The offset of each field in the bytes. session/token.ts describes the fields. */
export const tokenOffsets = {
  keyId: 1,
  kind: 7,
  generation: 8,
  expiry: 12,
  secret: 18,
  mac: 34,
} as const;

/** The length of the body, in characters. 66 bytes leave no bit over, so they have one encoding only. */
export const tokenBodyLength = 88;

/** Splits a token after its prefix; undefined if it has none. The body may still be malformed. */
export function splitToken(
  token: string,
): { readonly kind: TokenKind; readonly body: string } | undefined {
  for (const kind of ["access", "renewal"] as const) {
    const prefix = tokenPrefixes[kind];
    if (token.startsWith(prefix)) return { kind, body: token.slice(prefix.length) };
  }
  return undefined;
}
