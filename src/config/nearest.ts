/** Guesses what somebody meant who misspelt a name. */

/** Of the known names, of which there is at least one, the one that takes the fewest changes. */
export function nearest(name: string, known: readonly string[]): string {
  const bare = name.replace(/^CURFEW_/, "");
  const distance = (to: string) => Math.min(edits(name, to), edits(bare, to));
  return known.reduce((best, next) => (distance(next) < distance(best) ? next : best));
}

/** Levenshtein distance, whatever the case. */
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
