/** Reads a command line: settings as flags, made from the table of settings. Secrets are not flags. */
import { parseArgs } from "node:util";
import { closestMatch } from "./closest-match.ts";
import { names, settings, type Name } from "./settings.ts";

/** A parsed command line. */
export interface CommandLine {
  /** The arguments that are not flags, in their order. */
  readonly operands: readonly string[];
  /** The settings that are given, as text: an environment variable would have the same. */
  readonly settings: ReadonlyMap<Name, string>;
  readonly asks: "help" | "version" | undefined;
  /** Everything that is wrong with the flags, one line each. No line contains a value. */
  readonly issues: readonly string[];
}

/** The setting's flag: `--data-dir`. */
export function flagOf(name: Name): string {
  return `--${settings[name].variable.toLowerCase().replaceAll("_", "-")}`;
}

/** Whether the flag needs no value: `--graphiql`, `--no-graphiql`. */
export function isSwitch(name: Name): boolean {
  return settings[name].kind.name === "boolean";
}

function isSecretSetting(name: Name): boolean {
  return settings[name].secrecy === "secret";
}

/** The settings that are not flags. */
export const secretNames: readonly Name[] = names.filter(isSecretSetting);

/** The settings that are flags. */
export const flagNames: readonly Name[] = names.filter((name) => !isSecretSetting(name));

const settingByFlag = new Map([
  ...names.map((name) => [flagOf(name), name] as const),
  // `--secrets`, as someone may write it who knows the options.
  ...secretNames.map((name) => [`--${name.toLowerCase()}`, name] as const),
]);
const switches = flagNames.filter(isSwitch).map((name) => flagOf(name).replace("--", "--no-"));
const known = [...settingByFlag.keys(), ...switches, "--help", "--version"];

const options = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
  ...Object.fromEntries(
    names.map((name) => [
      flagOf(name).slice(2),
      { type: isSwitch(name) ? ("boolean" as const) : ("string" as const) },
    ]),
  ),
} as const;

/**
 * Parses a command line. Only `--name`, `-h` and `-v` are flags: a session's id may begin with one hyphen. An id
 * that begins with two goes after `--`.
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    // parseArgs would take such an operand apart into flags of one letter.
    args: args.map((word) => (isHyphened(word) ? "operand" : word)),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const operands: string[] = [];
  const given = new Map<Name, string>();
  const issues: string[] = [];
  let asks: CommandLine["asks"];
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") operands.push(args[token.index] ?? "");
    else if (token.name === "help" || token.name === "version") asks ??= token.name;
    else {
      const isInline = token.inlineValue === true;
      const value = isInline ? token.value : token.value && args[token.index + 1];
      const setting = readSetting(token.rawName, value, isInline);
      if (typeof setting === "string") issues.push(setting);
      else if (given.has(setting.name)) issues.push(`${flagOf(setting.name)} is given twice.`);
      else given.set(setting.name, setting.text);
    }
  }
  return { operands, settings: given, asks, issues };
}

function isHyphened(word: string): boolean {
  return /^-[^-]/.test(word) && word !== "-h" && word !== "-v";
}

/** Returns the setting, or its issue. */
function readSetting(flag: string, value: string | undefined, isInline: boolean) {
  const name = settingByFlag.get(flag) ?? settingByFlag.get(flag.replace("--no-", "--"));
  const isOff = switches.includes(flag);
  if (name === undefined || (!isOff && flagOf(name) !== flag)) return unknownFlag(flag);
  const { example, secrecy } = settings[name];
  if (secrecy === "secret") return `${flag} is not an option: ${useVariable(name)}`;
  if (isSwitch(name)) {
    if (isOff && value !== undefined) return `${flag} takes no value.`;
    return { name, text: isOff ? "false" : (value ?? "true") };
  }
  const isMissing = value === undefined || value.trim() === "";
  if (isMissing || (!isInline && value.startsWith("--")))
    return `${flag} needs a value. Example: ${flag} ${example}`;
  if (secrecy !== undefined && hasPassword(value))
    return `${flag} must not contain a password: ${useVariable(name)}`;
  return { name, text: value.trim() };
}

function unknownFlag(flag: string): string {
  const guess = closestMatch(flag, known);
  const name = settingByFlag.get(guess);
  return name !== undefined && isSecretSetting(name)
    ? `${flag} is not an option, and secrets cannot be options: ${useVariable(name)}`
    : `${flag} is not an option. Did you mean ${guess}?`;
}

/** A password stands before the host of a URL, or among its parameters. */
function hasPassword(text: string): boolean {
  return text.includes("@") || /password=/i.test(text);
}

function useVariable(name: Name): string {
  return `every user of this machine can read a command line. Set ${settings[name].variable} in the environment or in .env.`;
}
