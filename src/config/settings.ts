/**
 * The one table of settings. Each entry makes the option and its type, the environment variable, the flag, the
 * validation, the line in `--help` and the row in docs/settings.md. After a change run `npm run codegen`.
 */
import type { AnySetting, Kind, Setting } from "./kinds.ts";
import type { Options } from "./options.ts";
import { limits } from "./settings/limits.ts";
import { passwords } from "./settings/passwords.ts";
import { server } from "./settings/server.ts";
import { sessions } from "./settings/sessions.ts";
import { storage } from "./settings/storage.ts";

/** An option's name. */
export type Name = keyof Options;

/** The headings of `--help` and docs/settings.md, in their order. */
export const groups: Readonly<Record<string, Readonly<Record<string, AnySetting>>>> = {
  Server: server,
  "Storage and keys": storage,
  "Sessions and tokens": sessions,
  "Limits of connections and requests": limits,
  "Passwords and attempts": passwords,
};

export const settings: { readonly [Key in Name]: Setting<Options[Key]> } = {
  ...server,
  ...storage,
  ...sessions,
  ...limits,
  ...passwords,
};

export const names = Object.keys(settings) as readonly Name[];

/** @param production whether `NODE_ENV` is `production` */
export function defaultOptions(production: boolean): Options {
  const entries = names.map((name) => [name, defaultOf(settings[name], production)]);
  return Object.fromEntries(entries) as Options;
}

function defaultOf(setting: AnySetting, production: boolean): unknown {
  return (production ? setting.productionDefault : undefined) ?? setting.default;
}

/** The default as an environment variable has it; absent where the setting is unset or empty. */
export function writtenDefault(setting: AnySetting, production = false): string | undefined {
  const value = defaultOf(setting, production);
  return value === undefined
    ? undefined
    : (setting.kind as Kind<unknown>).write(value) || undefined;
}

/** Replaces the names of options in a sentence by their environment variables: `dataDir` by `DATA_DIR`. */
export function byVariable(sentence: string): string {
  return sentence.replaceAll(/`(\w+)`/g, (found, name: string) =>
    Object.hasOwn(settings, name) ? `\`${settings[name as Name].variable}\`` : found,
  );
}
