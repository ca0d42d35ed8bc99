/** Which passwords are so common that whoever guesses begins with them. */
import { dictionary } from "@zxcvbn-ts/language-common";

/** In small letters, as others put capitals and small letters into the same word. */
const list = new Set(dictionary["passwords-common"]);

/**
 * Whether a password is one of the 49,000 most common, whatever its case. The list leaves out what
 * needs none to be guessed: up to four characters over and over, and runs such as `87654321`.
 */
export function isCommon(password: string): boolean {
  const word = password.toLowerCase();
  return /^(.{1,4}?)\1+$/su.test(word) || isRun(word) || list.has(word);
}

/** Each character is the next after the one before it, or each the one before. */
function isRun(password: string): boolean {
  const codes = [...password].map((character) => character.codePointAt(0) ?? 0);
  const steps = codes.slice(1).map((code, index) => code - (codes[index] ?? 0));
  const [first = 0] = steps;
  return Math.abs(first) === 1 && steps.every((step) => step === first);
}
