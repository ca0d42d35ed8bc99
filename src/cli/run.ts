/** Parses the command line and runs the command that it names. */
import { ConfigError, loadOptions, type Options } from "../config/load.ts";
import { readCommandLine, type CommandLine } from "../config/flags.ts";
import { closestMatch } from "../config/closest-match.ts";
import type { Command } from "./command.ts";
import { loadEnvFile } from "./env-file.ts";
import { help, packageVersion } from "./help.ts";
import { nodeVersionError } from "./node-version.ts";
import { messageOf } from "./report.ts";

/**
 * Each command's module is imported when the command runs. Its imports read the environment, so `.env` must be
 * loaded first.
 */
const commands = {
  serve: async () => (await import("./serve.ts")).serve,
  inspect: async () => (await import("./inspect.ts")).inspectToken,
  admin: async () => (await import("./admin.ts")).administrate,
} as const satisfies Record<string, () => Promise<Command>>;

type CommandName = keyof typeof commands;

const commandNames = Object.keys(commands) as CommandName[];

/** @returns the exit code. A server that has started runs on until it receives a signal. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const commandLine = readCommandLine(args);
  const [firstOperand = "serve", ...operands] = commandLine.operands;
  const name = commandNames.find((commandName) => commandName === firstOperand);
  if (commandLine.asks !== undefined) {
    const helpTopic = commandLine.operands.length > 0 ? name : undefined;
    console.log(commandLine.asks === "version" ? packageVersion() : await help(helpTopic));
    return 0;
  }
  if (name === undefined) {
    // If a flag is unknown, the operand may be the value of that flag, so report only the flags.
    const issues =
      commandLine.issues.length > 0 ? commandLine.issues : [unknownCommand(firstOperand)];
    console.error([...issues, "Try: curfew --help"].join("\n"));
    return 2;
  }
  const versionError = nodeVersionError(process.version);
  if (versionError !== undefined) {
    console.error(versionError);
    return 1;
  }
  const envFileIssues = loadEnvFile(".env");
  try {
    const command = await commands[name]();
    return await command(operands, () => loadSettings(commandLine, envFileIssues));
  } catch (error) {
    console.error(messageOf(error));
    const hasWrongFlags = error instanceof ConfigError && commandLine.issues.length > 0;
    return name === "serve" && !hasWrongFlags ? 1 : 2;
  }
}

/** @throws {ConfigError} if anything is wrong with the flags, the environment or `.env`. The error lists all issues. */
function loadSettings(commandLine: CommandLine, envFileIssues: readonly string[]): Options {
  const issues = [...commandLine.issues, ...envFileIssues];
  try {
    const options = loadOptions(process.env, commandLine.settings);
    if (issues.length === 0) return options;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
  }
  throw new ConfigError(issues);
}

/** Returns the error message for a word that is not a command. Does not quote a word that may be a token. */
function unknownCommand(word: string): string {
  const isQuoted = /^[\w-]{1,24}$/.test(word) && !word.startsWith("curfew_");
  const subject = isQuoted ? word : "That";
  const guess = word.startsWith("curfew_") ? "inspect" : closestMatch(word, commandNames);
  return `${subject} is not a command. Did you mean ${guess}?`;
}
