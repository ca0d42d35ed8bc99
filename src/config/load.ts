/** Loads settings from the environment, flags or code, and checks all of them before anything starts. */
import { inspect } from "node:util";
import { closestMatch } from "./closest-match.ts";
import { flagOf } from "./flags.ts";
import type { Options } from "./options.ts";
import { issuesBetween } from "./rules-between.ts";
import { defaultOptions, names, settings, type Name } from "./settings.ts";

export type { Options } from "./options.ts";

/** Thrown when settings are wrong. Its message contains no secret and no password. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Everything that is wrong, one line each. */
  readonly issues: readonly string[];

  constructor(issues: readonly string[]) {
    super(["These settings are wrong:", ...issues].join("\n  "));
    this.issues = issues;
  }
}

/**
 * Returns the options that environment variables set. An empty variable counts as unset.
 *
 * @param flags settings of a command line, as text; they override the environment
 * @throws {ConfigError} naming every wrong variable or flag, and every misspelt `CURFEW_` variable
 */
export function loadOptions(
  env: Readonly<Record<string, string | undefined>>,
  flags: ReadonlyMap<Name, string> = new Map(),
): Options {
  const set = new Map<string, string>();
  for (const [name, text] of Object.entries(env)) if (text?.trim()) set.set(name, text.trim());

  const known = names.map((name) => settings[name].variable);
  const issues = [...set].flatMap(([name, text]) => {
    const isUnknown =
      name.startsWith("CURFEW_") && !known.includes(name) && !isServiceLink(name, text);
    return isUnknown
      ? [`${name} is not a setting. Did you mean ${closestMatch(name, known)}?`]
      : [];
  });
  const written = (name: Name) => flags.get(name) ?? set.get(settings[name].variable);
  return check({
    production: isProduction(env),
    issues,
    written,
    value: (name) => {
      const text = written(name);
      return text === undefined ? undefined : settings[name].kind.read(text);
    },
    label: (name) => (flags.has(name) ? flagOf(name) : settings[name].variable),
    assign: (name, text) =>
      flags.has(name) ? `${flagOf(name)}=${text}` : `${settings[name].variable}=${text}`,
  });
}

/**
 * Checks options that are given in code, and adds the defaults. `undefined` counts as unset.
 *
 * @throws {ConfigError} naming every option that is wrong or unknown
 */
export function checkOptions(given: Partial<Options>): Options {
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(settings, key));
  return check({
    production: isProduction(),
    issues: unknown.map(
      (key) => `${key} is not an option. Did you mean ${closestMatch(key, names)}?`,
    ),
    written: (name) => given[name],
    value: (name) => given[name],
    label: (name) => name,
    assign: (name, text) => `${name}: ${inspect(settings[name].kind.read(text))}`,
  });
}

/** Whether `NODE_ENV` is `production`. White space around the word is ignored, since a `.env` file may end its lines with it. */
export function isProduction(
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  return env["NODE_ENV"]?.trim() === "production";
}

/** Whether Kubernetes set the variable: each container gets such variables for nearby services, such as CURFEW_PORT. */
function isServiceLink(name: string, text: string): boolean {
  return /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_\w+$/.test(name) || /^(tcp|udp|sctp):/.test(text);
}

/** Where options come from, and how its users write them. */
interface Source {
  readonly production: boolean;
  /** Issues that were found before: names that are unknown. */
  readonly issues: readonly string[];
  readonly written: (name: Name) => unknown;
  readonly value: (name: Name) => unknown;
  readonly label: (name: Name) => string;
  readonly assign: (name: Name, text: string) => string;
}

function check(source: Source): Options {
  const { production, value, label, assign } = source;
  const issues = [...source.issues];
  const wrong = new Set<Name>();
  const options = defaultOptions(production);
  for (const name of names) {
    const given = value(name);
    if (given === undefined) continue;
    const { data, error } = settings[name].kind.rule.safeParse(given);
    if (error) {
      wrong.add(name);
      issues.push(...error.issues.map((issue) => describe(name, given, issue, source)));
    } else Object.assign(options, { [name]: data });
  }
  issues.push(
    ...issuesBetween({
      production,
      options,
      isSet: (name) => value(name) !== undefined,
      isWrong: (name) => wrong.has(name),
      label,
      assign,
    }),
  );
  if (issues.length > 0) throw new ConfigError([...new Set(issues)]);
  return options;
}

/** The setting, its fault and a valid example. */
function describe(
  name: Name,
  given: unknown,
  { message, path: [index] }: { readonly message: string; readonly path: readonly PropertyKey[] },
  { label, assign, written }: Source,
): string {
  const isItem = Array.isArray(given) && typeof index === "number";
  const place = isItem ? ` (number ${index + 1})` : "";
  const found = quote(name, isItem ? given[index] : written(name));
  const example = assign(name, settings[name].example);
  return `${label(name)}${place} must be ${message}${found}. Example: ${example}`;
}

/** Quotes no secret, and nothing that may be a secret in the wrong variable. */
function quote(name: Name, value: unknown): string {
  const text = inspect(value);
  const isSecret = settings[name].secrecy !== undefined || text.includes("@");
  return isSecret || text.length > 32 ? "" : `, not ${text}`;
}
