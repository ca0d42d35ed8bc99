/** Checks the README, docs/ and examples/: links, named files, code blocks and commands. */
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

/** A path in the repository that a page names as inline code. */
const repositoryPath = /^(src|test|docs|bench|examples|schema)\/[\w./-]+$/;

/** Files that slow commands generate. */
const builtFiles = new Set(["bench/results.svg"]);

/** The links and paths of a page that lead nowhere. */
function brokenReferences({ path, links, spans }: Page, all: readonly Page[]): string[] {
  const broken = links.filter((link) => {
    if (/^(https?|mailto):/.test(link)) return false;
    const { href, hash, pathname } = new URL(link, new URL(path, root));
    if (!href.startsWith(root.href) || !existsSync(new URL(pathname, root))) return true;
    const target = all.find((page) => new URL(page.path, root).pathname === pathname);
    return hash !== "" && target?.anchors.has(decodeURIComponent(hash.slice(1))) !== true;
  });
  const missing = spans.filter(
    (span) =>
      repositoryPath.test(span) && !builtFiles.has(span) && !existsSync(new URL(span, root)),
  );
  return [...broken, ...missing].map((what) => `${path}: ${what}`);
}

/** The commands of a block without comments and blank lines. */
function commandsOf({ code }: CodeBlock): string {
  const lines = code.split("\n").map((line) => line.replace(/(^|\s)#.*/, "").trimEnd());
  return lines.filter((line) => line !== "").join("\n");
}

describe("the documentation pages", () => {
  it("contain only working links and existing paths", () => {
    expect(pages.map(({ path }) => path)).toContain("docs/operations.md");
    expect(pages.flatMap((page) => brokenReferences(page, pages))).toEqual([]);
  });

  it("contain code only in known languages", () => {
    const known = new Set(["ts", "sh", "graphql", "json", "yaml", "mermaid", ""]);
    const others = pages.flatMap(({ blocks }) =>
      blocks.filter(({ language }) => !known.has(language)).map(({ location }) => location),
    );
    expect(others).toEqual([]);
  });

  it("contain TypeScript that compiles", async () => {
    const blocks = blocksIn("ts");
    expect(blocks.length).toBeGreaterThan(5);
    expect(await typeErrors(blocks)).toEqual([]);
  });

  it("contain GraphQL that a server executes without errors", async () => {
    await using curfew = await startCurfew();
    const blocks = blocksIn("graphql");
    expect(blocks.length).toBeGreaterThan(0);
    for (const { location, code } of blocks) {
      expect(validate(createSchema({}), parse(code)), location).toEqual([]);
      const { data, errors } = await ask(curfew.url, code);
      expect(errors, location).toBeUndefined();
      // A result of type Problem has a message.
      expect(JSON.stringify(data), location).not.toContain('"message"');
    }
  });

  it("contain valid JSON", () => {
    for (const { code } of blocksIn("json")) expect(() => JSON.parse(code)).not.toThrow();
  });

  it("name only existing npm scripts", () => {
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

describe("the commands of the documentation", () => {
  const blocks = blocksIn("sh");

  it("are exactly those of test/docs/commands.ts", () => {
    const shown = new Set(blocks.map(commandsOf));
    expect(new Set(Object.keys(commands))).toEqual(shown);
  });

  for (const block of blocks) {
    const run = commands[commandsOf(block)];
    if (typeof run !== "function") continue;
    it(`work: ${block.location}`, () => run(commandsOf(block)), 30_000);
  }
});

describe("the documentation checks", () => {
  const page = (text: string) => parsePage("docs/a.md", text);

  it.each([
    ["[a](../nowhere.md)"],
    ["[a](#nowhere)\n\n# Somewhere"],
    ["[a](../README.md#nowhere)"],
    ["[a](../../elsewhere)"],
    ["see `src/nowhere.ts`"],
  ])("find the broken reference in %j", (text) => {
    const one = page(text);
    expect(brokenReferences(one, [one, ...pages])).toHaveLength(1);
  });

  it("accept existing files, anchors and external links", () => {
    const one = page(
      "# A `code`, and _more_\n\n[a](../src) [b](#a-code-and-more) [c](../README.md#settings) [d](https://a.b/c) `src/main.ts`",
    );
    expect(brokenReferences(one, [{ ...one, path: "docs/a.md" }, ...pages])).toEqual([
      // The anchor is looked up in the repository's page of that path.
      "docs/a.md: #a-code-and-more",
    ]);
  });

  it("report a type error against Curfew's types with its line in the page", async () => {
    const text =
      '# A\n\n```ts\nimport { createSession } from "curfew/client";\ncreateSession({});\n```';
    const errors = await typeErrors(page(text).blocks);
    expect(errors[0]).toMatch(/docs\.a\.md\.4\.ts\(5,15\): error TS2741/);
  });

  it("locate the line on which each code block begins", () => {
    const text = "# A\n\n```ts\nlet a;\n```\n\n- b\n\n  ```sh\n  c\n  ```\n\n```ts\nlet a;\n```\n";
    expect(page(text).blocks.map(({ location, code }) => [location, code])).toEqual([
      ["docs/a.md:4", "let a;"],
      ["docs/a.md:10", "c"],
      ["docs/a.md:14", "let a;"],
    ]);
  });
});
