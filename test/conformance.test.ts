/** `docs/conformance.md` names tests: each of them has to be there. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const page = new URL("../docs/conformance.md", import.meta.url);
const rows = readFileSync(page, "utf8")
  .split("\n")
  .filter((line) => /^\| \d/.test(line));

/** The tests that a row names, by file and title. */
function references(row: string) {
  return [...row.matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)].map(
    ([, title = "", file = ""]) => ({
      file,
      // Of a nested title every part stands in the file by itself.
      parts: title.split(" > "),
    }),
  );
}

it("names its cases by number, once in each table", () => {
  expect(rows.length).toBeGreaterThan(100);
  for (const row of rows) expect(row).toMatch(/^\| \d+ \| [^|]+ \| [^|]+ \|$/);
});

it("says of every case what shows it, or why it does not apply", () => {
  const bare = rows.filter((row) => references(row).length === 0);
  for (const row of bare) expect(row).toContain("Does not apply");
});

it("names tests that exist", () => {
  for (const { file, parts } of rows.flatMap(references)) {
    const source = readFileSync(new URL(file, page), "utf8");
    for (const part of parts) expect(source, `${file}: ${part}`).toContain(part);
  }
});
