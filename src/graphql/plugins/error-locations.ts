/** Decides which documents have locations in their errors. */

/** Characters of a document. */
const maxLocatedLength = 65_536;
const maxLocatedLines = 1_000;

/**
 * Returns whether the errors of a document have locations. graphql-js counts the lines from the beginning of the text
 * for each error, which takes more than a second for 100 errors after 100,000 line breaks. Documents that people or
 * build tools write have far fewer lines.
 */
export function showsLocations(text: string): boolean {
  if (text.length > maxLocatedLength) return false;
  let lines = 1;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === lineFeed || code === carriageReturn) lines += 1;
  }
  return lines <= maxLocatedLines;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
