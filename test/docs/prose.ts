/** Extracts the text that people read from a file: comments and strings of code, all prose of a page. */

/** A comment, a string or a paragraph. */
export interface Prose {
  /** The line on which it begins. */
  readonly line: number;
  /** Without comment marks, and with single spaces. */
  readonly text: string;
}

type Piece = readonly [start: number, text: string];

export function proseOf(path: string, source: string): readonly Prose[] {
  return [...piecesOf(path, source)].map(([start, text]) => ({
    line: source.slice(0, start).split("\n").length,
    text: text
      .replaceAll(/^[ \t]*(?:\/\*\*?|\*\/|\*|\/\/|#)|\*\/$/gm, "")
      .replaceAll(/\s+/g, " ")
      .trim(),
  }));
}

function piecesOf(path: string, source: string): Iterable<Piece> {
  if (path.endsWith(".md")) return ofPage(source);
  if (/\.tsx?$/.test(path)) return ofCode(source);
  return path.endsWith(".graphql")
    ? matches(source, /"""[^]*?"""|"[^"\n]*"|#.*/g)
    : matches(source, /(?<=^|\s)#.*/g);
}

function* matches(source: string, pattern: RegExp, start = 0): Generator<Piece> {
  for (const { 0: text, index } of source.matchAll(pattern))
    yield [start + index, text.replaceAll(/^"+|"+$/g, "")];
}

/** Paragraphs, list items and rows of tables. Of code blocks, the comments and, of TypeScript, the strings. */
function* ofPage(source: string): Generator<Piece> {
  let start = 0;
  for (const part of source.split(/(^```[^]*?^```$)/m)) {
    const language = /^```(\w*)\n/.exec(part)?.[1];
    if (language === undefined)
      yield* matches(part, /\S.*(?:\n(?![ \t]*(?:[-|\n]|\d+\.)).+)*/g, start);
    else for (const [at, text] of piecesOf(`block.${language}`, part)) yield [start + at, text];
    start += part.length;
  }
}

const comment = /\/\/.*(?:\n[ \t]*\/\/.*)*|\/\*[^]*?\*\//y;
const string = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y;
const regularExpression = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const templateText = /(?:\\[^]|\$(?!\{)|[^`\\$])*/y;
/** A `/` after one of these, or after `return`, begins a regular expression and is no division. */
const beforeRegularExpression = /(?:^|[([{,;:=!?&|>+\-}]|\breturn)\s*$/;

/** Comments, strings and the texts of templates. */
function* ofCode(source: string): Generator<Piece> {
  const take = (pattern: RegExp, at: number) => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  /** The depth of braces in each template expression that is open. */
  const braces: number[] = [];
  for (let at = 0; at < source.length;) {
    const sign = source[at];
    const isTemplate = sign === "`" || (sign === "}" && braces.at(-1) === 0);
    if (isTemplate) {
      if (sign === "}") braces.pop();
      const text = take(templateText, at + 1) ?? "";
      yield [at + 1, text];
      at += 1 + text.length;
      if (source[at] === "$") braces.push(0);
      at += source[at] === "$" ? 2 : 1;
      continue;
    }
    const found = take(comment, at) ?? take(string, at);
    if (found !== undefined) yield [at, found.replaceAll(/^["']|["']$/g, "")];
    const isExpression =
      sign === "/" && beforeRegularExpression.test(source.slice(0, at).slice(-20));
    const skipped = found ?? (isExpression ? take(regularExpression, at) : undefined) ?? sign ?? "";
    const last = braces.length - 1;
    if (last >= 0 && skipped === "{") braces[last] = (braces[last] ?? 0) + 1;
    if (last >= 0 && skipped === "}") braces[last] = (braces[last] ?? 0) - 1;
    at += skipped.length;
  }
}
