/** Finds the regular expressions in TypeScript source. */

/** After this text a `/` is a division and begins no regular expression. */
const operand = /[\w$)\]}"'`]$/;
const keyword = /\b(?:return|case|typeof|in|of|void|yield|await)$/;

const piece =
  /^#!.*|\/\/.*|\/\*[^]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*|[^\s/"'`]+|[^]/g;

/** The literals and the `new RegExp` calls, in source order. */
export function regexLiterals(source: string): string[] {
  const found: string[] = [];
  let before = "";
  for (const match of source.matchAll(piece)) {
    const [text] = match;
    if (text.startsWith("`"))
      for (const [, inside = ""] of text.matchAll(/\$\{([^{}]*)\}/g))
        found.push(...regexLiterals(inside));
    if (/^\s$|^\/[/*]|^#!/.test(text)) continue;
    const isRegex = /^\/.+\/[a-z]*$/s.test(text);
    if (isRegex && (!operand.test(before) || keyword.test(before))) found.push(text);
    if (before.endsWith("new") && text.startsWith("RegExp("))
      found.push(source.slice(match.index - 4, source.indexOf("\n", match.index)).trim());
    before = text;
  }
  return found;
}
