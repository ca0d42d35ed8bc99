/** Normalises e-mail addresses, so that each is stored and looked up in one spelling. */

/** RFC 5321 §4.5.3.1.3. */
const maxEmailLength = 254;

// Letters of any script. No white space or invisible characters, which make different addresses look equal.
const address =
  /^[^\s\p{C}@"<>()[\],;:\\]{1,64}@(?:[\p{L}\p{M}\p{N}-]+\.)+[\p{L}\p{M}\p{N}-]{2,}$/u;

/**
 * Trims an e-mail address and folds its case; undefined if it is none.
 *
 * NFC makes the same letters, typed on different systems, the same text. NFKC would also make different
 * addresses equal, and so let one user sign in to, or block, another user's account.
 */
export function normaliseEmail(text: string): string | undefined {
  // The time that normalising takes grows with the square of the length.
  if (text.length > 4 * maxEmailLength) return undefined;
  const email = text.trim().normalize("NFC").toLowerCase();
  return email.length <= maxEmailLength && address.test(email) ? email : undefined;
}
