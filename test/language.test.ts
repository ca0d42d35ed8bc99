/**
 * Checks the rules of language that can be counted, in every comment, string and page: an actor has a name, and "What"
 * and "Who" begin questions only.
 *
 * Exceptions: code in backticks, headings of pages, titles of tests that a page links to (this test reads them where
 * they stand), generated files, and the examples in this file.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { root } from "./docs/pages.ts";
import { proseOf } from "./docs/prose.ts";

/** A person is "they"; an actor is the client, the caller, the user, the node, the store, the operator. */
const pronoun = /\b(?:he|his|him|himself|whoever|nobody|somebody)\b/gi;

/** A sentence, or a cell of a table, that begins with "What" or "Who". */
const openQuestion =
  /(?:^|[.!?:;]\s+|["'(|>*]\s*|(?:^|\s)-\s+)((?:What|Who)\b(?!')[^.?!|"]*(?:[.?!|"]|$))/g;

const code = /`[^`]*`/g;
const testTitle = /\[[^\]]*\]\(\.\.\/(?:test|src\/testing)\/[^)]*\)/g;

const folders = ["src", "schema", "test", "examples", "bench", "docs", "README.md", ".ci"];
const exempt = /^test\/language\.test\.ts$|generated\.ts$/;

/** The sentences and words that break a rule, each with its place. */
function faultsIn(path: string, source: string): readonly string[] {
  return proseOf(path, source).flatMap(({ line, text }) => {
    const prose = text.replaceAll(testTitle, "").replaceAll(code, "`");
    const words = [...prose.matchAll(pronoun)].map(([word]) => word);
    const sentences = [...prose.matchAll(openQuestion)].map(([, sentence = ""]) => sentence.trim());
    const statements = sentences.filter((sentence) => !sentence.endsWith("?"));
    return [...words, ...statements].map((fault) => `${path}:${line}: ${fault}`);
  });
}

function trackedFiles(): readonly string[] {
  const list = execFileSync("git", ["ls-files", ...folders], {
    cwd: fileURLToPath(root),
    encoding: "utf8",
  });
  const readable = /\.(?:tsx?|md|graphql|sh|yaml|conf)$|^\.ci\//;
  return list.split("\n").filter((path) => readable.test(path) && !exempt.test(path));
}

describe("the language of the repository", () => {
  const files = trackedFiles();

  it("covers sources, tests, the schema and pages", () => {
    for (const path of [
      "src/main.ts",
      "test/order.ts",
      "schema/base.graphql",
      "README.md",
      ".ci/run",
    ])
      expect(files).toContain(path);
  });

  it("names the actor, and begins no statement with What or Who", () => {
    const faults = files.flatMap((path) =>
      faultsIn(path, readFileSync(new URL(path, root), "utf8")),
    );
    expect(faults).toEqual([]);
  });
});

describe("the rules of language", () => {
  it.each([
    ["a.ts", "// The user loses his session."],
    ["a.ts", "/**\n * Ends the session of\n * whoever asks.\n */"],
    ["a.ts", "/** What a node knows of a session. */"],
    ["a.ts", "// Reads the store. Who writes it is checked\n// elsewhere."],
    ["a.ts", 'throw new Error("Nobody is signed in");'],
    ["a.ts", "const text = `signed in: ${names.map((name) => `${name}, who`)} by himself`;"],
    ["a.ts", "const quote = /[\"'`]/; // He is quoted."],
    ["a.graphql", 'type A {\n  "What was asked."\n  b: Int\n}'],
    ["a.sh", "set -e # Nobody listens yet."],
    ["a.md", "A node closes the connection. What it\nanswers goes out first."],
    ["a.md", "| case | who |\n| --- | --- |\n| end | What ended |"],
    ["a.md", "- What ends is closed."],
    ["a.md", "```ts\n// Called by somebody.\n```"],
  ])("find a fault in %s: %j", (path, source) => {
    expect(faultsIn(path, source)).toHaveLength(1);
  });

  it.each([
    ["a.ts", "// What happens to a session\n// whose store is unreachable?"],
    ["a.ts", "const he = 1; // Their value."],
    ["a.ts", "// The Unix user `nobody` runs it."],
    ["a.ts", "const half = a / b; // The half.\nconst pattern = /'/;"],
    ["a.md", "## What a failover does\n\nIt loses writes."],
    ["a.md", "| 1 | It ends | [nobody is told](../test/a.test.ts) |"],
    ["a.md", '```json\n{ "who": "What" }\n```'],
  ])("let pass in %s: %j", (path, source) => {
    expect(faultsIn(path, source)).toEqual([]);
  });

  it("give the line of the comment, string or paragraph", () => {
    expect(faultsIn("a.ts", "const a = 1;\n\n// Nobody.")).toEqual(["a.ts:3: Nobody"]);
    expect(faultsIn("a.md", "# A\n\n```sh\nls\n```\n\nWho knows.")).toEqual(["a.md:7: Who knows."]);
  });
});
