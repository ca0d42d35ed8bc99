/** Reads the command line and runs the command. */
import { ConfigError, loadOptions, type Options } from "../config/load.ts";
import { readCommandLine, type CommandLine } from "../config/flags.ts";
import { closestMatch } from "../config/closest-match.ts";
import type { Command } from "./command.ts";
import { loadEnvFile } from "./env-file.ts";
import { help, packageVersion } from "./help.ts";
import { nodeVersionError } from "./node-version.ts";
import { messageOf } from "./report.ts";

/** Loaded when they run: their imports read the environment, so `.env` must be loaded first. */
const commands = {
  serve: async () => (await import("./serve.ts")).serve,
  inspect: async () => (await import("./inspect.ts")).inspectToken,
  admin: async () => (await import("./admin.ts")).administrate,
} as const satisfies Record<string, () => Promise<Command>>;

type CommandName = keyof typeof commands;

const commandNames = Object.keys(commands) as CommandName[];

/** @returns the exit code; a started server continues until it receives a signal */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const line = readCommandLine(args);
  const [first = "serve", ...operands] = line.operands;
  const name = commandNames.find((one) => one === first);
  if (line.asks !== undefined) {
    const about = line.operands.length > 0 ? name : undefined;
    console.log(line.asks === "version" ? packageVersion() : await help(about));
    return 0;
  }
  if (name === undefined) {
    // After an unknown flag, the operand may be the value of that flag.
    const issues = line.issues.length > 0 ? line.issues : [unknownCommand(first)];
    console.error([...issues, "Try: curfew --help"].join("\n"));
    return 2;
  }
  const versionError = nodeVersionError(process.version);
  if (versionError !== undefined) {
    console.error(versionError);
    return 1;
  }
  const fileIssues = loadEnvFile(".env");
  try {
    const command = await commands[name]();
    return await command(operands, () => loadSettings(line, fileIssues));
  } catch (error) {
    console.error(messageOf(error));
    const isMisused = error instanceof ConfigError && line.issues.length > 0;
    return name === "serve" && !isMisused ? 1 : 2;
  }
}

/** @throws {ConfigError} with all issues of the flags, the environment and `.env` */
function loadSettings(line: CommandLine, fileIssues: readonly string[]): Options {
  const issues = [...line.issues, ...fileIssues];
  try {
    const options = loadOptions(process.env, line.settings);
    if (issues.length === 0) return options;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
  }
  throw new ConfigError(issues);
}

/** Does not quote a word that may be a token. */
function unknownCommand(word: string): string {
  const isShown = /^[\w-]{1,24}$/.test(word) && !word.startsWith("curfew_");
  const subject = isShown ? word : "That";
  const guess = word.startsWith("curfew_") ? "inspect" : closestMatch(word, commandNames);
  return `${subject} is not a command. Did you mean ${guess}?`;
}
