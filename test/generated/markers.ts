/** Replaces the generated part of a page, which is between two comments. */

/** Ends every generated part. */
const endMarker = "<!-- End of the generated tables -->";

/** @throws if the page lacks one of the markers */
export function replaceGenerated(
  page: string,
  path: string,
  beginMarker: string,
  text: string,
): string {
  const [before, rest] = page.split(beginMarker);
  const after = rest?.split(endMarker)[1];
  if (before === undefined || after === undefined)
    throw new Error(`${path} lacks a marker. Example: ${beginMarker} … ${endMarker}`);
  return [before, beginMarker, "\n\n", text, "\n\n", endMarker, after].join("");
}
