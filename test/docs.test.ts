/** What the README, docs/ and the examples say: their links lead somewhere, and their code does what they say. */
import { existsSync, readFileSync } from "node:fs";
import { parse, validate } from "graphql";
import { describe, expect, it } from "vitest";
import { createSchema } from "../src/graphql/schema.ts";
import { commands } from "./docs/commands.ts";
import { parsePage, readPages, root, type CodeBlock, type Page } from "./docs/pages.ts";
import { typeErrors } from "./docs/types.ts";
import { startCurfew } from "./helpers/curfew.ts";
import { ask } from "./helpers/http.ts";

const pages = readPages();
const blocksIn = (language: string) =>
  pages.flatMap(({ blocks }) => blocks.filter((block) => block.language === language));

/** A part of the repository that a page names in its text. */
const pathOfOurs = /^(src|test|docs|bench|examples|schema)\/[\w./-]+$/;

/** By commands that take long. */
const made = new Set(["bench/results.svg"]);

/** What is not there, of what the page links to or names. */
function dangling({ path, links, spans }: Page, all: readonly Page[]): string[] {
  const broken = links.filter((link) => {
    if (/^(https?|mailto):/.test(link)) return false;
    const { href, hash, pathname } = new URL(link, new URL(path, root));
    if (!href.startsWith(root.href) || !existsSync(new URL(pathname, root))) return true;
    const target = all.find((page) => new URL(page.path, root).pathname === pathname);
    return hash !== "" && target?.anchors.has(decodeURIComponent(hash.slice(1))) !== true;
  });
  const missing = spans.filter(
    (span) => pathOfOurs.test(span) && !made.has(span) && !existsSync(new URL(span, root)),
  );
  return [...broken, ...missing].map((what) => `${path}: ${what}`);
}

/** The block without its comments and what is around them. */
function commandsOf({ code }: CodeBlock): string {
  const lines = code.split("\n").map((line) => line.replace(/(^|\s)#.*/, "").trimEnd());
  return lines.filter((line) => line !== "").join("\n");
}

describe("the pages", () => {
  it("link to what is there, and name files that are", () => {
    expect(pages.map(({ path }) => path)).toContain("docs/operations.md");
    expect(pages.flatMap((page) => dangling(page, pages))).toEqual([]);
  });

  it("show code in languages that are checked, or that nobody runs", () => {
    const known = new Set(["ts", "sh", "graphql", "json", "yaml", "mermaid", ""]);
    const others = pages.flatMap(({ blocks }) =>
      blocks.filter(({ language }) => !known.has(language)).map(({ place }) => place),
    );
    expect(others).toEqual([]);
  });

  it("have TypeScript that is sound", async () => {
    const blocks = blocksIn("ts");
    expect(blocks.length).toBeGreaterThan(5);
    expect(await typeErrors(blocks)).toEqual([]);
  });

  it("have GraphQL that a server answers without an error", async () => {
    await using curfew = await startCurfew();
    const blocks = blocksIn("graphql");
    expect(blocks.length).toBeGreaterThan(0);
    for (const { place, code } of blocks) {
      expect(validate(createSchema({}), parse(code)), place).toEqual([]);
      const { data, errors } = await ask(curfew.url, code);
      expect(errors, place).toBeUndefined();
      // A problem has nothing but its message.
      expect(JSON.stringify(data), place).not.toContain('"message"');
    }
  });

  it("have JSON that is JSON", () => {
    for (const { code } of blocksIn("json")) expect(() => JSON.parse(code)).not.toThrow();
  });

  it("tell to run nothing but scripts that are there", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const text = pages.flatMap(({ spans, blocks }) => [
      ...spans,
      ...blocks.filter(({ language }) => language === "sh").map(({ code }) => code),
    ]);
    const named = text.flatMap((one) =>
      [...one.matchAll(/\bnpm run (?:--silent )?([\w:]+)/g)].map(([, name = ""]) => name),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

describe("the commands of the pages", () => {
  const blocks = blocksIn("sh");

  it("are all known here, and no others", () => {
    const shown = new Set(blocks.map(commandsOf));
    expect(new Set(Object.keys(commands))).toEqual(shown);
  });

  for (const block of blocks) {
    const run = commands[commandsOf(block)];
    if (typeof run !== "function") continue;
    it(`do what is said: ${block.place}`, () => run(commandsOf(block)), 30_000);
  }
});

describe("the rules", () => {
  const page = (text: string) => parsePage("docs/a.md", text);

  it.each([
    ["[a](../nowhere.md)"],
    ["[a](#nowhere)\n\n# Somewhere"],
    ["[a](../README.md#nowhere)"],
    ["[a](../../elsewhere)"],
    ["see `src/nowhere.ts`"],
  ])("find what leads nowhere: %j", (text) => {
    const one = page(text);
    expect(dangling(one, [one, ...pages])).toHaveLength(1);
  });

  it("let pass what is there", () => {
    const one = page(
      "# A `code`, and _more_\n\n[a](../src) [b](#a-code-and-more) [c](../README.md#settings) [d](https://a.b/c) `src/main.ts`",
    );
    expect(dangling(one, [{ ...one, path: "docs/a.md" }, ...pages])).toEqual([
      // Not a page of its own.
      "docs/a.md: #a-code-and-more",
    ]);
  });

  it("find TypeScript that is wrong, in its line, against Curfew's own types", async () => {
    const text =
      '# A\n\n```ts\nimport { createSession } from "curfew/client";\ncreateSession({});\n```';
    const errors = await typeErrors(page(text).blocks);
    expect(errors[0]).toMatch(/docs\.a\.md\.4\.ts\(5,15\): error TS2741/);
  });

  it("say on which line a block of code begins", () => {
    const text = "# A\n\n```ts\nlet a;\n```\n\n- b\n\n  ```sh\n  c\n  ```\n\n```ts\nlet a;\n```\n";
    expect(page(text).blocks.map(({ place, code }) => [place, code])).toEqual([
      ["docs/a.md:4", "let a;"],
      ["docs/a.md:10", "c"],
      ["docs/a.md:14", "let a;"],
    ]);
  });
});
