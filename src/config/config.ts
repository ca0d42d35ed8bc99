/** Settings from the environment or from code, checked as a whole before anything starts. */
import { inspect } from "node:util";
import { flagOf } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { defaultOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { leastMemory, optionRules } from "./rules.ts";
import {
  inUnits,
  isServiceLink,
  names,
  redisSettings,
  secretSettings,
  variables,
} from "./variables.ts";
import type { Name } from "./variables.ts";

export type { Options } from "./options.ts";

/** Among the durations, so that none ends before another that it is part of. */
const orders = [
  ["renewalGrace", "shorter than", "accessTokenTtl"],
  ["accessTokenTtl", "at most", "renewalTokenTtl"],
  ["renewalTokenTtl", "at most", "sessionMaxAge"],
  ["recheckInterval", "at most", "outageGrace"],
] as const;

/** The one is nothing without the other. */
const sentinelPairs = [
  ["redisSentinels", "redisSentinelName"],
  ["redisSentinelName", "redisSentinels"],
] as const;

/** Settings that nothing can start with. No secret and no password is in its message. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** All that is wrong, one line each. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(["These settings are wrong:", ...faults].join("\n  "));
    this.faults = faults;
  }
}

/**
 * The options that environment variables ask for; a variable that is empty counts as unset.
 *
 * @param flags settings of a command line, as their variables would have them; they come first
 * @throws {ConfigError} naming every variable or flag that is wrong, and every variable that is misspelt
 */
export function loadOptions(
  env: Readonly<Record<string, string | undefined>>,
  flags: ReadonlyMap<Name, string> = new Map(),
): Options {
  const set = new Map<string, string>();
  for (const [name, text] of Object.entries(env)) if (text?.trim()) set.set(name, text.trim());

  const known = names.map((name) => variables[name].name);
  const faults = [...set].flatMap(([name, text]) => {
    const stray = name.startsWith("CURFEW_") && !known.includes(name) && !isServiceLink(name, text);
    return stray ? [`${name} is not a setting. Did you mean ${nearest(name, known)}?`] : [];
  });
  const written = (name: Name) => flags.get(name) ?? set.get(variables[name].name);
  return check({
    production: isProduction(env),
    faults,
    written,
    value: (name) => {
      const text = written(name);
      return text === undefined ? undefined : variables[name].read(text);
    },
    label: (name) => (flags.has(name) ? flagOf(name) : variables[name].name),
    assign: (name, text) =>
      flags.has(name) ? `${flagOf(name)}=${text}` : `${variables[name].name}=${text}`,
  });
}

/**
 * The same for options given in code; `undefined` counts as unset.
 *
 * @throws {ConfigError} naming every option that is wrong or unknown
 */
export function checkOptions(given: Partial<Options>): Options {
  const strays = Object.keys(given).filter((key) => !Object.hasOwn(variables, key));
  return check({
    production: isProduction(),
    faults: strays.map((key) => `${key} is not an option. Did you mean ${nearest(key, names)}?`),
    written: (name) => given[name],
    value: (name) => given[name],
    label: (name) => name,
    assign: (name, text) => `${name}: ${inspect(variables[name].read(text))}`,
  });
}

/** Whatever stands around the word: a file of variables may end its lines with a space. */
export function isProduction(
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  return env["NODE_ENV"]?.trim() === "production";
}

/** Where options come from, and how its users write them. */
interface Source {
  readonly production: boolean;
  readonly faults: readonly string[];
  readonly written: (name: Name) => unknown;
  readonly value: (name: Name) => unknown;
  readonly label: (name: Name) => string;
  readonly assign: (name: Name, text: string) => string;
}

function check({ production, faults: strays, written, value, label, assign }: Source): Options {
  const faults = new Set(strays);
  const wrong = new Set<Name>();
  const options = defaultOptions(production);

  for (const name of names) {
    const given = value(name);
    if (given === undefined) continue;
    const { data, error } = optionRules[name].safeParse(given);
    if (!error) {
      Object.assign(options, { [name]: data });
      continue;
    }
    wrong.add(name);
    for (const { message, path } of error.issues) {
      const [index] = path;
      const isItem = Array.isArray(given) && typeof index === "number";
      const place = isItem ? ` (number ${index + 1})` : "";
      const found = quote(name, isItem ? given[index] : written(name));
      const example = assign(name, variables[name].example);
      faults.add(`${label(name)}${place} must be ${message}${found}. Example: ${example}`);
    }
  }
  for (const [name, relation, other] of orders) {
    if (wrong.has(name) || wrong.has(other)) continue;
    const limit = options[other];
    if (relation === "at most" ? options[name] <= limit : options[name] < limit) continue;
    const right = relation === "at most" ? limit : Math.floor(limit / 2);
    const bound = `${label(other)}, which is ${inUnits(limit)}`;
    const example = assign(name, inUnits(right));
    faults.add(`${label(name)} must be ${relation} ${bound}. Example: ${example}`);
  }
  const memory = leastMemory(options.argon2Passes);
  if (options.argon2Memory < memory && !wrong.has("argon2Memory") && !wrong.has("argon2Passes")) {
    const passes = `${label("argon2Passes")} is ${options.argon2Passes}`;
    const example = assign("argon2Memory", String(memory));
    faults.add(
      `${label("argon2Memory")} must be at least ${memory} where ${passes}. Example: ${example}`,
    );
  }
  const isSet = (name: Name) => value(name) !== undefined;
  const [redis, ...more] = redisSettings.filter(isSet);
  for (const other of more) {
    faults.add(
      `${label(other)} must be unset where ${label(redis ?? other)} is: there is one Redis`,
    );
  }
  for (const [given, missing] of sentinelPairs) {
    if (!isSet(given) || isSet(missing)) continue;
    const example = assign(missing, variables[missing].example);
    faults.add(`${label(missing)} must be set where ${label(given)} is. Example: ${example}`);
  }
  if (!isSet("secrets") && (production || redis !== undefined)) {
    faults.add(
      `${label("secrets")} must be set where NODE_ENV=production or ${label(redis ?? "redisUrl")} is:` +
        " every node and every start needs the same. `openssl rand -base64 32` makes one." +
        ` Example: ${assign("secrets", variables.secrets.example)}`,
    );
  }
  if (faults.size > 0) throw new ConfigError([...faults]);
  return options;
}

/** Nothing that holds a secret, or may be one in the wrong place. */
function quote(name: Name, value: unknown): string {
  const text = inspect(value);
  const secret = secretSettings.includes(name) || text.includes("@");
  return secret || text.length > 32 ? "" : `, not ${text}`;
}
