/** `docs/conformance.md` and `docs/security.md` name tests: each of them has to be there. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const page = (name: string) => new URL(`../docs/${name}`, import.meta.url);

function rowsOf(text: string, number: RegExp): string[] {
  return text.split("\n").filter((line) => number.test(line));
}

/** The tests that a row names, by file and title. */
function references(row: string) {
  return [...row.matchAll(/\[([^\]]+)\]\((\.\.\/(?:test|src\/testing)\/[^)]+)\)/g)].map(
    ([, title = "", file = ""]) => ({
      file,
      // Of a nested title every part stands in the file by itself.
      parts: title.split(" > "),
    }),
  );
}

function expectToExist(rows: readonly string[]) {
  const missing = rows.flatMap(references).filter(({ file, parts }) => {
    const place = new URL(file, page("conformance.md"));
    const source = existsSync(place) ? readFileSync(place, "utf8") : "";
    return !parts.every((part) => source.includes(part));
  });
  expect(missing).toEqual([]);
}

/** What the row begins with. */
function numberOf(row: string): string {
  return row.split("|")[1]?.trim() ?? "";
}

describe("conformance.md", () => {
  const [, ...tables] = readFileSync(page("conformance.md"), "utf8").split(/^## /m);
  const rows = tables.map((table) => rowsOf(table, /^\| \d/));

  it("has each case once, by number, and misses none", () => {
    // As many as the suites have that the first two restate.
    expect(rows.slice(0, 2).map(({ length }) => length)).toEqual([79, 55]);
    for (const table of rows)
      expect(table.map(numberOf)).toEqual(table.map((_, i) => String(i + 1)));
    for (const row of rows.flat()) expect(row).toMatch(/^\| \d+ \| [^|]+ \| [^|]+ \|$/);
  });

  it("says of every case what shows it, or why it does not apply", () => {
    const bare = rows.flat().filter((row) => references(row).length === 0);
    for (const row of bare) expect(row).toContain("Does not apply");
  });

  it("names tests that exist", () => expectToExist(rows.flat()));
});

describe("security.md", () => {
  const rows = rowsOf(readFileSync(page("security.md"), "utf8"), /^\| \d+\.\d+\.\d+ /);

  /** The requirements of ASVS 5.0.0 that it answers to: sections with the levels of theirs, in turn. */
  const asked: Readonly<Record<string, string>> = {
    "4.1": "12233",
    "4.3": "22",
    "4.4": "1222",
    "6.2": "111111112222",
    "6.3": "1...3333",
    "7.1": "222",
    "7.2": "1111",
    "7.3": "22",
    "7.4": "11222",
    "7.5": "223",
    "7.6": "22",
    "9.1": "111",
    "9.2": "1222",
    "10.4": "....1..2",
    "11.4": "1222",
    "11.5": "23",
    "13.4": "1222233",
    "16.2": "22222",
    "16.3": "2222",
  };

  it("has a row for each requirement, with its level", () => {
    const requirements = Object.entries(asked).flatMap(([section, levels]) =>
      [...levels].flatMap((level, i) =>
        level === "." ? [] : [`| ${section}.${i + 1} | ${level} |`],
      ),
    );
    expect(rows.map((row) => /^\| [\d.]+ \| \d \|/.exec(row)?.[0])).toEqual(requirements);
    for (const row of rows) expect(row).toMatch(/^\| [\d.]+ \| \d \| [^|]+ \| [^|]+ \|$/);
  });

  it("says of each what shows it, what is missing, or why it does not apply", () => {
    const bare = rows.filter((row) => references(row).length === 0);
    for (const row of bare) expect(row).toMatch(/Gap: |Does not apply: /);
  });

  it("names tests that exist", () => expectToExist(rows));
});
