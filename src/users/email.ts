/** The one spelling under which an e-mail address is kept and looked up. */

/** RFC 5321, 4.5.3.1.3. */
const maxLength = 254;

// Letters of any script; no white space, and nothing invisible that makes two addresses look like one.
const address =
  /^[^\s\p{C}@"<>()[\],;:\\]{1,64}@(?:[\p{L}\p{M}\p{N}-]+\.)+[\p{L}\p{M}\p{N}-]{2,}$/u;

/**
 * Trims an e-mail address and folds its case; undefined when it is not one.
 *
 * NFC makes the same letters, typed on different systems, the same text. NFKC would go on to make
 * different addresses the same, and so let one person sign in to, or block, another's account.
 */
export function normaliseEmail(text: string): string | undefined {
  // Normalising takes time that grows with the square of a text's length.
  if (text.length > 4 * maxLength) return undefined;
  const email = text.trim().normalize("NFC").toLowerCase();
  return email.length <= maxLength && address.test(email) ? email : undefined;
}
