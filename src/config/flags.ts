/** The settings as flags of a command line, made from the table of variables; what is secret is no flag. */
import { parseArgs } from "node:util";
import { defaultOptions } from "./options.ts";
import { nearest } from "./nearest.ts";
import { names, secretSettings, secrets, variables, type Name } from "./variables.ts";

/** A command line, read and not yet carried out. */
export interface CommandLine {
  /** What is no flag, in its order. */
  readonly operands: readonly string[];
  /** The settings that are given, as their variables would have them. */
  readonly settings: ReadonlyMap<Name, string>;
  readonly asks: "help" | "version" | undefined;
  /** All that is wrong with its flags, one line each; no value is in them. */
  readonly faults: readonly string[];
}

export function flagOf(name: Name): string {
  return `--${variables[name].name.toLowerCase().replaceAll("_", "-")}`;
}

/** Whether it needs no value: `--graphiql`, `--no-graphiql`. */
export function isSwitch(name: Name): boolean {
  return typeof defaultOptions(true)[name] === "boolean";
}

export const flagNames: readonly Name[] = names.filter((name) => !secrets.includes(name));

const settingByFlag = new Map([
  ...names.map((name) => [flagOf(name), name] as const),
  // As somebody would write it who knows the options.
  ...secrets.map((name) => [`--${name.toLowerCase()}`, name] as const),
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
 * Only `--name`, `-h` and `-v` are flags: an id may well begin with one hyphen, and goes after `--` where
 * it begins with two.
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    // It would take such an operand apart into flags of one letter.
    args: args.map((word) => (isHyphened(word) ? "operand" : word)),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const operands: string[] = [];
  const settings = new Map<Name, string>();
  const faults: string[] = [];
  let asks: CommandLine["asks"];
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") operands.push(args[token.index] ?? "");
    else if (token.name === "help" || token.name === "version") asks ??= token.name;
    else {
      const isInline = token.inlineValue === true;
      const value = isInline ? token.value : token.value && args[token.index + 1];
      const given = readSetting(token.rawName, value, isInline);
      if (typeof given === "string") faults.push(given);
      else if (settings.has(given.name)) faults.push(`${flagOf(given.name)} is given twice.`);
      else settings.set(given.name, given.text);
    }
  }
  return { operands, settings, asks, faults };
}

function isHyphened(word: string): boolean {
  return /^-[^-]/.test(word) && word !== "-h" && word !== "-v";
}

/** The setting, or what is wrong with it. */
function readSetting(flag: string, value: string | undefined, isInline: boolean) {
  const name = settingByFlag.get(flag) ?? settingByFlag.get(flag.replace("--no-", "--"));
  const isOff = switches.includes(flag);
  if (name === undefined || (!isOff && flagOf(name) !== flag)) return unknown(flag);
  if (secrets.includes(name)) return `${flag} is no option: ${elsewhere(name)}`;
  if (isSwitch(name)) {
    if (isOff && value !== undefined) return `${flag} takes no value.`;
    return { name, text: isOff ? "false" : (value ?? "true") };
  }
  const isMissing = value === undefined || value.trim() === "";
  if (isMissing || (!isInline && value.startsWith("--")))
    return `${flag} needs a value. Example: ${flag} ${variables[name].example}`;
  if (secretSettings.includes(name) && holdsPassword(value))
    return `${flag} may have no password in it: ${elsewhere(name)}`;
  return { name, text: value.trim() };
}

function unknown(flag: string): string {
  const guess = nearest(flag, known);
  const name = settingByFlag.get(guess);
  return name !== undefined && secrets.includes(name)
    ? `${flag} is no option, and no secret is: ${elsewhere(name)}`
    : `${flag} is no option. Did you mean ${guess}?`;
}

/** Of the user's part of a URL, or among its parameters. */
function holdsPassword(text: string): boolean {
  return text.includes("@") || /password=/i.test(text);
}

function elsewhere(name: Name): string {
  return `everybody on this machine can read a command line. Set ${variables[name].name} in the environment, or in .env.`;
}
