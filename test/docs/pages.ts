/** Parses the documentation pages into links, anchors, code spans and code blocks. */
import { readFileSync, readdirSync } from "node:fs";
import { posix } from "node:path";
import GithubSlugger from "github-slugger";
import { lexer, walkTokens, type Token, type Tokens } from "marked";

export const root = new URL("../../", import.meta.url);

export interface CodeBlock {
  /** Where the code begins, as `README.md:21`. */
  readonly location: string;
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

export interface Page {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly links: readonly string[];
  /** The anchors of the headings, without `#`. */
  readonly anchors: ReadonlySet<string>;
  /** Inline code. */
  readonly spans: readonly string[];
  readonly blocks: readonly CodeBlock[];
}

/** Reads the README and the pages of docs/ and examples/. */
export function readPages(): Page[] {
  const inFolder = (folder: string) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".md") && !path.includes("node_modules"))
      .map((path) => posix.join(folder, path));
  const paths = ["README.md", ...inFolder("docs"), ...inFolder("examples")];
  return paths.map((path) => parsePage(path, readFileSync(new URL(path, root), "utf8")));
}

export function parsePage(path: string, text: string): Page {
  const tokens: Token[] = [];
  void walkTokens(lexer(text), (token) => void tokens.push(token));
  const slugger = new GithubSlugger();
  let read = 0;
  const blocks = tokens.filter(isCode).map(({ raw, lang, text: code }) => {
    // Searches the first line only: in a list the block is indented, and its code is not.
    const begin = text.indexOf(raw.split("\n", 1)[0] ?? "", read);
    const line = text.slice(0, begin).split("\n").length + 1;
    read = text.indexOf("\n", begin + 1) + code.length;
    return { location: `${path}:${line}`, page: path, line, language: lang ?? "", code };
  });
  return {
    path,
    links: tokens.flatMap((token) =>
      token.type === "link" || token.type === "image" ? [String(token["href"])] : [],
    ),
    anchors: new Set(
      tokens.flatMap((token) =>
        token.type === "heading" ? [slugger.slug(plain(token.tokens ?? []))] : [],
      ),
    ),
    spans: tokens.flatMap((token) => (token.type === "codespan" ? [String(token["text"])] : [])),
    blocks,
  };
}

function isCode(token: Token): token is Tokens.Code {
  return token.type === "code";
}

/** The text of a heading without markup. */
function plain(tokens: readonly Token[]): string {
  return tokens
    .map((token) =>
      "tokens" in token && token.tokens ? plain(token.tokens) : "text" in token ? token.text : "",
    )
    .join("");
}
