/** Recognises common passwords, which attackers try first. */
import { dictionary } from "@zxcvbn-ts/language-common";

/** In lower case: attackers try the same word in every case. */
const commonPasswords = new Set(dictionary["passwords-common"]);

/**
 * Whether a password is one of the 49,000 most common, in any case. The list leaves out passwords that a
 * rule recognises: up to four characters repeated, and runs such as `87654321`.
 */
export function isCommon(password: string): boolean {
  const word = password.toLowerCase();
  return /^(.{1,4}?)\1+$/su.test(word) || isRun(word) || commonPasswords.has(word);
}

/** Whether the code points rise by one from each character to the next, or fall by one. */
function isRun(password: string): boolean {
  const codes = [...password].map((character) => character.codePointAt(0) ?? 0);
  const steps = codes.slice(1).map((code, index) => code - (codes[index] ?? 0));
  const [first = 0] = steps;
  return Math.abs(first) === 1 && steps.every((step) => step === first);
}
