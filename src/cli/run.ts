/** Reads the command line and carries it out. */
import { ConfigError, loadOptions, type Options } from "../config/load.ts";
import { readCommandLine, type CommandLine } from "../config/flags.ts";
import { closestMatch } from "../config/closest-match.ts";
import type { Command } from "./command.ts";
import { loadEnvFile } from "./env-file.ts";
import { help, version } from "./help.ts";
import { nodeFault } from "./node-version.ts";
import { messageOf } from "./report.ts";

/** Loaded when they are run: what they stand on reads the environment, and so comes after `.env`. */
const commands = {
  serve: async () => (await import("./serve.ts")).serve,
  inspect: async () => (await import("./inspect.ts")).inspectToken,
  admin: async () => (await import("./admin.ts")).administrate,
} as const satisfies Record<string, () => Promise<Command>>;

type Name = keyof typeof commands;

const names = Object.keys(commands) as Name[];

/** @returns the exit code; a server that was started goes on until it is told to stop */
export async function run(args: readonly string[]): Promise<number> {
  const line = readCommandLine(args);
  const [first = "serve", ...operands] = line.operands;
  const name = names.find((one) => one === first);
  if (line.asks !== undefined) {
    const about = line.operands.length > 0 ? name : undefined;
    console.log(line.asks === "version" ? version() : await help(about));
    return 0;
  }
  if (name === undefined) {
    // After an unknown flag it may be that one's value.
    const issues = line.issues.length > 0 ? line.issues : [strange(first)];
    console.error([...issues, "Try: curfew --help"].join("\n"));
    return 2;
  }
  const fault = nodeFault(process.version);
  if (fault !== undefined) {
    console.error(fault);
    return 1;
  }
  const fileFaults = loadEnvFile(".env");
  try {
    const command = await commands[name]();
    return await command(operands, () => settings(line, fileFaults));
  } catch (error) {
    console.error(messageOf(error));
    const isMisused = error instanceof ConfigError && line.issues.length > 0;
    return name === "serve" && !isMisused ? 1 : 2;
  }
}

/** @throws {ConfigError} with the issues of all places at once */
function settings(line: CommandLine, fileFaults: readonly string[]): Options {
  const issues = [...line.issues, ...fileFaults];
  try {
    const options = loadOptions(process.env, line.settings);
    if (issues.length === 0) return options;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
  }
  throw new ConfigError(issues);
}

/** What is no command may be a token, which is not to be seen on a screen. */
function strange(word: string): string {
  const isShown = /^[\w-]{1,24}$/.test(word) && !word.startsWith("curfew_");
  const said = isShown ? word : "That";
  const guess = word.startsWith("curfew_") ? "inspect" : closestMatch(word, names);
  return `${said} is no command. Did you mean ${guess}?`;
}
