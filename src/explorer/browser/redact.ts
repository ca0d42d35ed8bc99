/**
 * Takes passwords and tokens out of what people type, before a browser keeps it. It reads the tokens of GraphQL
 * (https://spec.graphql.org/draft/#sec-Language.Source-Text.Lexical-Tokens), or of JSON, also in text that is
 * not complete yet.
 */
import { tokenPrefixes } from "../../protocol/token-format.ts";

interface Token {
  readonly kind: Kind;
  readonly text: string;
  /** Whether a parenthesis before it is not closed yet: it belongs to arguments or to variables. */
  readonly inParentheses: boolean;
}
type Kind = "space" | "comment" | "string" | "name" | "number" | "mark";

const graphqlToken =
  /(?<space>[\s,\uFEFF]+)|(?<comment>#[^\n\r]*)|(?<string>"""(?:\\"""|(?!""")[^])*(?:"""|$)|"(?:\\.|[^"\\\n\r])*"?)|(?<name>[_A-Za-z]\w*)|(?<number>-?\d[\w.+-]*)|(?<mark>[^])/g;
/** Inside a comment no other begins. */
const commentedToken = new RegExp(
  graphqlToken.source.replace("(?<comment>#[^\\n\\r]*)", "(?<comment>#)"),
  "g",
);
/** With the comments that GraphiQL's editor takes. */
const jsonToken =
  /(?<space>[\s,\uFEFF]+)|(?<comment>\/\/[^\n\r]*|\/\*[^]*?(?:\*\/|$))|(?<string>"(?:\\.|[^"\\\n\r])*"?)|(?<name>[_$A-Za-z][\w$]*)|(?<number>-?\d[\w.+-]*)|(?<mark>[^])/g;

const secretName = /password|token|secret/i;
/** A number of tokens is no token. */
const numberMayBeSecret = /password|secret/i;
const sessionTokens = new RegExp(`(?:${Object.values(tokenPrefixes).join("|")})[\\w-]*`, "g");
const plainWords = new Set(["true", "false", "null"]);

export function redactQuery(text: string): string {
  return redactTokens(tokensOf(text, graphqlToken)).replaceAll(sessionTokens, "");
}

function redactTokens(tokens: readonly Token[]): string {
  const passed = passedIn(tokens);
  return rewrite(tokens, (at) => valueAt(tokens, at, passed));
}

/**
 * @param variables JSON, or what is to become it
 * @param query whose they are: it tells which of them are passed to what is named a password
 */
export function redactVariables(variables: string, query: string): string {
  const tokens = tokensOf(variables, jsonToken);
  const passed = passedIn(tokensOf(query, graphqlToken));
  return rewrite(tokens, (at) => {
    const name = keyOf(tokens[at]);
    if (name === undefined || !(secretName.test(name) || passed.has(name))) return undefined;
    const colon = next(tokens, at);
    if (tokens[colon]?.text !== ":") return undefined;
    const start = next(tokens, colon);
    return { name, start, end: endOf(tokens, start) };
  }).replaceAll(sessionTokens, "");
}

/** A value, by its tokens. */
interface Value {
  /** Of the argument, the variable or the field whose it is. */
  readonly name: string;
  readonly start: number;
  /** Its last token. */
  readonly end: number;
}

function tokensOf(text: string, pattern: RegExp): Token[] {
  let open = 0;
  return Array.from(text.matchAll(pattern), ({ 0: found, groups = {} }) => {
    if (found === "(") open += 1;
    if (found === ")" && open > 0) open -= 1;
    const kind = kinds.find((one) => groups[one] !== undefined) ?? "mark";
    return { kind, text: found, inParentheses: open > 0 };
  });
}

const kinds: readonly Kind[] = ["space", "comment", "string", "name", "number", "mark"];

/** The text again, with an empty string for each value that `find` finds by the name before it, if it is secret. */
function rewrite(tokens: readonly Token[], find: (at: number) => Value | undefined): string {
  const parts: string[] = [];
  const keep = ({ kind, text }: Token) =>
    parts.push(kind === "comment" ? redactedComment(text) : text);
  for (let at = 0; at < tokens.length; at += 1) {
    tokens.slice(at, at + 1).forEach(keep);
    const value = find(at);
    if (value === undefined) continue;
    const before = tokens.slice(at + 1, value.start);
    if (isSecret(tokens, value)) {
      // A comment before a password may be about it.
      before.filter(({ kind }) => kind !== "comment").forEach(keep);
      parts.push('""');
    } else {
      before.forEach(keep);
      tokens.slice(value.start, value.end + 1).forEach(keep);
    }
    at = value.end;
  }
  return parts.join("");
}

/** What was put into a comment may be an operation. */
function redactedComment(text: string): string {
  if (text === "#") return text;
  const mark = text.startsWith("#") ? "#" : text.slice(0, 2);
  return mark + redactTokens(tokensOf(text.slice(mark.length), commentedToken));
}

/** The value that the name at that place is given: as an argument, or as the default of a variable. */
function valueAt(
  tokens: readonly Token[],
  at: number,
  passed: ReadonlySet<string>,
): Value | undefined {
  const token = tokens[at];
  if (token?.kind !== "name") return undefined;
  const name = token.text;
  const isVariable = tokens[previous(tokens, at)]?.text === "$";
  if (!secretName.test(name) && !(isVariable && passed.has(name))) return undefined;
  const colon = next(tokens, at);
  if (tokens[colon]?.text !== ":") return undefined;
  const after = isVariable ? endOfType(tokens, colon) : colon;
  if (after === undefined) return undefined;
  const start = next(tokens, after);
  return { name, start, end: endOf(tokens, start) };
}

/** The mark after the type of a variable that has a default. */
function endOfType(tokens: readonly Token[], colon: number): number | undefined {
  let at = next(tokens, colon);
  while (tokens[at]?.kind === "name" || /^[[\]!]$/.test(tokens[at]?.text ?? ""))
    at = next(tokens, at);
  return tokens[at]?.text === "=" ? at : undefined;
}

/** The variables that are passed to what is named a password. */
function passedIn(tokens: readonly Token[]): Set<string> {
  const passed = new Set<string>();
  for (let at = 0; at < tokens.length; at += 1) {
    const value = valueAt(tokens, at, new Set());
    for (let i = value?.start ?? 1; i <= (value?.end ?? 0); i += 1) {
      const variable = tokens[next(tokens, i)];
      if (tokens[i]?.text === "$" && variable?.kind === "name") passed.add(variable.text);
    }
    if (value !== undefined) at = value.end;
  }
  return passed;
}

/** Whether anything in it was typed that may be a secret: a variable alone is none. */
function isSecret(tokens: readonly Token[], { name, start, end }: Value): boolean {
  return tokens.slice(start, end + 1).some(({ kind, text, inParentheses }, i) => {
    if (kind === "string") return true;
    if (kind === "number") return numberMayBeSecret.test(name);
    if (kind !== "name" || plainWords.has(text)) return false;
    // Outside of parentheses it is a field, whose alias comes before it.
    return inParentheses && tokens[previous(tokens, start + i)]?.text !== "$";
  });
}

/** Where the value ends that begins there; one that is not closed yet ends with the text. */
function endOf(tokens: readonly Token[], start: number): number {
  let open = 0;
  for (let at = start; at < tokens.length; at = next(tokens, at)) {
    const { text = "" } = tokens[at] ?? {};
    if (text === "[" || text === "{") open += 1;
    else if (text === "]" || text === "}") open -= 1;
    if (text === "$" && open === 0) return next(tokens, at);
    if (open <= 0) return at;
  }
  return tokens.length - 1;
}

function keyOf(token: Token | undefined): string | undefined {
  if (token?.kind === "name") return token.text;
  if (token?.kind !== "string") return undefined;
  try {
    return String(JSON.parse(token.text));
  } catch {
    return undefined;
  }
}

/** The place of the next token that means something. */
function next(tokens: readonly Token[], at: number): number {
  let i = at + 1;
  while (isIgnored(tokens[i])) i += 1;
  return i;
}

function previous(tokens: readonly Token[], at: number): number {
  let i = at - 1;
  while (isIgnored(tokens[i])) i -= 1;
  return i;
}

function isIgnored(token: Token | undefined): boolean {
  return token?.kind === "space" || token?.kind === "comment";
}
