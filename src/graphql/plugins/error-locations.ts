/** Which documents have locations in their errors. */

/** Characters. */
const maxLength = 65_536;
const maxLines = 1_000;

/**
 * Whether an error may say at which line it is. For each error graphql-js counts the lines from the beginning of
 * the text: 100 errors after a hundred thousand line breaks take it more than a second. A document by hand or of
 * a build has far fewer lines.
 */
export function showsLocations(text: string): boolean {
  if (text.length > maxLength) return false;
  let lines = 1;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === lineFeed || code === carriageReturn) lines += 1;
  }
  return lines <= maxLines;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
