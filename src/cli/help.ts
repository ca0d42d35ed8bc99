/** The output of `--help` and `--version`. */
import { readFileSync } from "node:fs";
import { flagNames, flagOf, isSwitch, secretNames } from "../config/flags.ts";
import { byVariable, groups, settings, writtenDefault, type Name } from "../config/settings.ts";

const usage = `Usage: curfew [command] [options]

Commands
  serve             serves GraphQL until it receives a signal to stop; the default
  inspect [token]   explains a token and the state of its session
  admin <command>   lists and ends sessions, locks and deletes users

Options
  -h, --help        shows this help, or the help of a command: curfew admin --help
  -v, --version     shows the version
`;

/** Loaded only for their command, because their imports take a while. */
const usages = {
  serve: async () => (await import("./serve.ts")).serveUsage,
  inspect: async () => (await import("./inspect.ts")).inspectUsage,
  admin: async () => (await import("./admin.ts")).adminUsage,
} as const;

/** @param command `undefined` for the help of all commands */
export async function help(command: keyof typeof usages | undefined): Promise<string> {
  if (command === undefined) return `${usage}\n${settingsHelp()}`;
  const text = await usages[command]();
  return command === "serve" ? `${text}\n\n${settingsHelp()}` : `${text}\nOptions: curfew --help`;
}

export function packageVersion(): string {
  const file = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const about = JSON.parse(file) as { readonly version: string };
  return about.version;
}

/** Each setting by its flag, with its description and its default. */
function settingsHelp(): string {
  const grouped = Object.entries(groups).flatMap(([title, group]) => {
    const shown = flagNames.filter((name) => Object.hasOwn(group, name));
    return shown.length === 0 ? [] : ["", title, ...shown.map(flagLine)];
  });
  return [
    "Settings, with their defaults. Each is also an environment variable, or a line in .env: --port is PORT.",
    "Flags override the environment, which overrides .env.",
    ...grouped,
    "",
    "Secrets are environment variables only, because every user of a machine can read its command lines",
    ...secretNames.map((name) => line(settings[name].variable, name)),
  ].join("\n");
}

function flagLine(name: Name): string {
  return line(isSwitch(name) ? flagOf(name).replace("--", "--[no-]") : flagOf(name), name);
}

function line(label: string, name: Name): string {
  const { about, kind } = settings[name];
  const text = byVariable(about).replaceAll("`", "").replace(/\.$/, "");
  const form = kind.name === "list" || kind.name === "enum" ? `: ${kind.values}` : "";
  return `  ${label.padEnd(33)}${text}${form}${defaultNote(name)}`;
}

function defaultNote(name: Name): string {
  if (isSwitch(name)) {
    const [development, production] = [false, true].map((isProduction) =>
      writtenDefault(settings[name], isProduction) === "true" ? "on" : "off",
    );
    return development === production
      ? ` (${development})`
      : ` (${development}; ${production} in production)`;
  }
  const written = writtenDefault(settings[name]);
  return written === undefined ? "" : ` (${written})`;
}
