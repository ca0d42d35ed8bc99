/** What `--help` and `--version` print. */
import { readFileSync } from "node:fs";
import { flagNames, flagOf, isSwitch } from "../config/flags.ts";
import { defaultOptions } from "../config/options.ts";
import { inUnits, secrets, variables, type Name } from "../config/variables.ts";
import { abouts } from "./abouts.ts";

const usage = `Usage: curfew [command] [options]

Commands
  serve             serves GraphQL until it is told to stop; so does curfew alone
  inspect [token]   says what a token is and what became of its session
  admin <command>   lists and ends sessions, locks and deletes users

Options
  -h, --help        this, or more about a command: curfew admin --help
  -v, --version
`;

/** Loaded only for its command: what they stand on takes a while. */
const usages = {
  serve: async () => (await import("./serve.ts")).serveUsage,
  inspect: async () => (await import("./inspect.ts")).inspectUsage,
  admin: async () => (await import("./admin.ts")).adminUsage,
} as const;

export async function help(command: keyof typeof usages | undefined): Promise<string> {
  if (command === undefined) return `${usage}\n${settings()}`;
  const said = await usages[command]();
  return command === "serve" ? `${said}\n\n${settings()}` : `${said}\nOptions: curfew --help`;
}

export function version(): string {
  const file = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const about = JSON.parse(file) as { readonly version: string };
  return about.version;
}

/** Each by its flag, with what it is and its default. */
function settings(): string {
  const flags = flagNames.map((name) => {
    const flag = isSwitch(name) ? flagOf(name).replace("--", "--[no-]") : flagOf(name);
    return `  ${flag.padEnd(33)}${abouts[name]}${standard(name)}`;
  });
  const hidden = secrets.map((name) => `  ${variables[name].name.padEnd(33)}${abouts[name]}`);
  return [
    "Settings, with their defaults; each is a variable of the environment too, or of .env: --port is PORT.",
    "A flag comes before the environment, and that before .env.",
    ...flags,
    "Secrets are variables alone, since everybody on a machine can read its command lines:",
    ...hidden,
  ].join("\n");
}

function standard(name: Name): string {
  const value = defaultOptions(false)[name];
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return "";
  if (isSwitch(name)) return " (on; off in production)";
  const isDuration = typeof value === "number" && /[a-z]$/.test(variables[name].example);
  return ` (${isDuration ? inUnits(value) : String(value)})`;
}
