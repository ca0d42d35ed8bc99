/**
 * Removes passwords and tokens from text that a user types, before the browser stores it. Reads the lexical
 * tokens of GraphQL (https://spec.graphql.org/draft/#sec-Language.Source-Text.Lexical-Tokens) or of JSON, also
 * in incomplete text.
 */
import { tokenPrefixes } from "../../protocol/token-format.ts";

interface LexicalToken {
  readonly kind: TokenCategory;
  readonly text: string;
  /** Whether an open parenthesis precedes it: it belongs to arguments or variables. */
  readonly inParentheses: boolean;
}
type TokenCategory = "space" | "comment" | "string" | "name" | "number" | "mark";

const graphqlToken =
  /(?<space>[\s,\uFEFF]+)|(?<comment>#[^\n\r]*)|(?<string>"""(?:\\"""|(?!""")[^])*(?:"""|$)|"(?:\\.|[^"\\\n\r])*"?)|(?<name>[_A-Za-z]\w*)|(?<number>-?\d[\w.+-]*)|(?<mark>[^])/g;
/** Inside a comment, `#` does not start another comment. */
const commentedToken = new RegExp(
  graphqlToken.source.replace("(?<comment>#[^\\n\\r]*)", "(?<comment>#)"),
  "g",
);
/** JSON with the comments that GraphiQL's editor accepts. */
const jsonToken =
  /(?<space>[\s,\uFEFF]+)|(?<comment>\/\/[^\n\r]*|\/\*[^]*?(?:\*\/|$))|(?<string>"(?:\\.|[^"\\\n\r])*"?)|(?<name>[_$A-Za-z][\w$]*)|(?<number>-?\d[\w.+-]*)|(?<mark>[^])/g;

const secretName = /password|token|secret/i;
/** Without `token`: a number of tokens is not a secret. */
const numberMayBeSecret = /password|secret/i;
const curfewTokens = new RegExp(`(?:${Object.values(tokenPrefixes).join("|")})[\\w-]*`, "g");
const keywords = new Set(["true", "false", "null"]);

export function redactQuery(text: string): string {
  return redactTokens(tokensOf(text, graphqlToken)).replaceAll(curfewTokens, "");
}

function redactTokens(tokens: readonly LexicalToken[]): string {
  const secrets = secretVariables(tokens);
  return rewrite(tokens, (at) => valueAt(tokens, at, secrets));
}

/**
 * Removes secrets from the variables of a query.
 *
 * @param variables JSON, possibly incomplete
 * @param query shows which variables are passed to an argument with the name of a secret
 */
export function redactVariables(variables: string, query: string): string {
  const tokens = tokensOf(variables, jsonToken);
  const secrets = secretVariables(tokensOf(query, graphqlToken));
  return rewrite(tokens, (at) => {
    const name = propertyName(tokens[at]);
    if (name === undefined || !(secretName.test(name) || secrets.has(name))) return undefined;
    const colon = next(tokens, at);
    if (tokens[colon]?.text !== ":") return undefined;
    const start = next(tokens, colon);
    return { name, start, end: endOf(tokens, start) };
  }).replaceAll(curfewTokens, "");
}

/** The range of tokens of a value. */
interface ValueRange {
  /** The argument, variable or field that has the value. */
  readonly name: string;
  readonly start: number;
  /** The last token. */
  readonly end: number;
}

function tokensOf(text: string, pattern: RegExp): LexicalToken[] {
  let open = 0;
  return Array.from(text.matchAll(pattern), ({ 0: found, groups = {} }) => {
    if (found === "(") open += 1;
    if (found === ")" && open > 0) open -= 1;
    const kind = kinds.find((one) => groups[one] !== undefined) ?? "mark";
    return { kind, text: found, inParentheses: open > 0 };
  });
}

const kinds: readonly TokenCategory[] = ["space", "comment", "string", "name", "number", "mark"];

/** Returns the text with an empty string in place of each secret that `find` locates by the name before it. */
function rewrite(
  tokens: readonly LexicalToken[],
  find: (at: number) => ValueRange | undefined,
): string {
  const parts: string[] = [];
  const keep = ({ kind, text }: LexicalToken) =>
    parts.push(kind === "comment" ? redactedComment(text) : text);
  for (let at = 0; at < tokens.length; at += 1) {
    tokens.slice(at, at + 1).forEach(keep);
    const value = find(at);
    if (value === undefined) continue;
    const before = tokens.slice(at + 1, value.start);
    if (containsSecret(tokens, value)) {
      // A comment before a secret may contain it.
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

/** Redacts a comment too: it may contain an operation. */
function redactedComment(text: string): string {
  if (text === "#") return text;
  const mark = text.startsWith("#") ? "#" : text.slice(0, 2);
  return mark + redactTokens(tokensOf(text.slice(mark.length), commentedToken));
}

/** Returns the value of the name at that index: an argument, or the default of a variable. */
function valueAt(
  tokens: readonly LexicalToken[],
  at: number,
  secrets: ReadonlySet<string>,
): ValueRange | undefined {
  const token = tokens[at];
  if (token?.kind !== "name") return undefined;
  const name = token.text;
  const isVariable = tokens[previous(tokens, at)]?.text === "$";
  if (!secretName.test(name) && !(isVariable && secrets.has(name))) return undefined;
  const colon = next(tokens, at);
  if (tokens[colon]?.text !== ":") return undefined;
  const after = isVariable ? endOfType(tokens, colon) : colon;
  if (after === undefined) return undefined;
  const start = next(tokens, after);
  return { name, start, end: endOf(tokens, start) };
}

/** Returns the index of the `=` after a variable's type; undefined if the variable has no default. */
function endOfType(tokens: readonly LexicalToken[], colon: number): number | undefined {
  let at = next(tokens, colon);
  while (tokens[at]?.kind === "name" || /^[[\]!]$/.test(tokens[at]?.text ?? ""))
    at = next(tokens, at);
  return tokens[at]?.text === "=" ? at : undefined;
}

/** Returns the variables that are passed to an argument with the name of a secret. */
function secretVariables(tokens: readonly LexicalToken[]): Set<string> {
  const secrets = new Set<string>();
  for (let at = 0; at < tokens.length; at += 1) {
    const value = valueAt(tokens, at, new Set());
    for (let i = value?.start ?? 1; i <= (value?.end ?? 0); i += 1) {
      const variable = tokens[next(tokens, i)];
      if (tokens[i]?.text === "$" && variable?.kind === "name") secrets.add(variable.text);
    }
    if (value !== undefined) at = value.end;
  }
  return secrets;
}

/** Whether the value contains a literal that may be a secret. A variable alone does not. */
function containsSecret(
  tokens: readonly LexicalToken[],
  { name, start, end }: ValueRange,
): boolean {
  return tokens.slice(start, end + 1).some(({ kind, text, inParentheses }, i) => {
    if (kind === "string") return true;
    if (kind === "number") return numberMayBeSecret.test(name);
    if (kind !== "name" || keywords.has(text)) return false;
    // Outside parentheses, the name is a field after its alias.
    return inParentheses && tokens[previous(tokens, start + i)]?.text !== "$";
  });
}

/** Returns the index of the last token of the value. A value that is not closed ends with the text. */
function endOf(tokens: readonly LexicalToken[], start: number): number {
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

function propertyName(token: LexicalToken | undefined): string | undefined {
  if (token?.kind === "name") return token.text;
  if (token?.kind !== "string") return undefined;
  try {
    return String(JSON.parse(token.text));
  } catch {
    return undefined;
  }
}

/** Returns the index of the next token that is neither space nor comment. */
function next(tokens: readonly LexicalToken[], at: number): number {
  let i = at + 1;
  while (isIgnored(tokens[i])) i += 1;
  return i;
}

function previous(tokens: readonly LexicalToken[], at: number): number {
  let i = at - 1;
  while (isIgnored(tokens[i])) i -= 1;
  return i;
}

function isIgnored(token: LexicalToken | undefined): boolean {
  return token?.kind === "space" || token?.kind === "comment";
}
