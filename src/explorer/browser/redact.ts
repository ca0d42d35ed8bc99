/** Takes passwords and tokens out of what people type, before a browser keeps it. */

const name = String.raw`\w*(?:password|token|secret)\w*`;
/** Also one that is not closed yet. */
const string = String.raw`"""[^]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?`;
/** What begins with a letter is a type. */
const list = String.raw`\[\s*(?=")(?:${string}|[^\]"])*\]?`;
const value = `(?:${string}|${list})`;
const type = String.raw`[\w![\]]+`;

/** `password: "…"`, and the default of a variable of that name. */
const literals = new RegExp(String.raw`\b(${name}\s*:\s*(?:${type}\s*=\s*)?)${value}`, "gi");
/** `password: $p` */
const passed = new RegExp(String.raw`\b${name}\s*:\s*\$(\w+)`, "gi");
const tokens = /curfew_(?:access|renewal)_[\w-]*/g;

export function redactQuery(query: string): string {
  const names = passedIn(query).join("|");
  const defaults = new RegExp(String.raw`(\$(?:${names})\s*:\s*${type}\s*=\s*)${value}`, "g");
  const left = names === "" ? query : query.replaceAll(defaults, '$1""');
  return left.replaceAll(literals, '$1""').replaceAll(tokens, "");
}

/**
 * @param variables JSON, or what is to become it
 * @param query whose they are: it tells which of them are passed to what is named a password
 */
export function redactVariables(variables: string, query: string): string {
  const names = [name, ...passedIn(query)];
  const values = new RegExp(String.raw`("(?:${names.join("|")})"\s*:\s*)${value}`, "gi");
  return variables.replaceAll(values, '$1""').replaceAll(tokens, "");
}

/** The variables that are passed to what is named a password. */
function passedIn(query: string): string[] {
  return [...query.matchAll(passed)].map(([, variable = ""]) => variable);
}
