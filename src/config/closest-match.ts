/** Finds the known name that a misspelt one is closest to. */

/** Returns the known name that takes the fewest edits. `known` must not be empty. */
export function closestMatch(name: string, known: readonly string[]): string {
  const bare = name.replace(/^CURFEW_/, "");
  const distance = (to: string) => Math.min(edits(name, to), edits(bare, to));
  return known.reduce((best, next) => (distance(next) < distance(best) ? next : best));
}

/** The Levenshtein distance, ignoring case. */
function edits(from: string, to: string): number {
  const target = [...to.toLowerCase()];
  let row = [0, ...target.keys().map((index) => index + 1)];
  for (const character of from.toLowerCase()) {
    const next = [(row[0] ?? 0) + 1];
    for (const [index, other] of target.entries()) {
      const replaced = (row[index] ?? 0) + Number(character !== other);
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
