/** Reads `.env` by Node's own loader, and says what that would pass over in silence. */
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { exposedEnvFile } from "../config/exposed-files.ts";
import { names, settings } from "../config/settings.ts";

/** From its name and its sign to the end of its value, which may go over several lines in quotes. */
const assignment = /^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*(?:(["'`])[^]*?\1.*|.*)$/gm;
const nothing = /^\s*(#.*)?$/;

/**
 * Sets the variables that the file has and the environment has not. That there is no file is as good.
 *
 * @returns what is wrong with it, one line each; nothing that stands in it is told
 */
export function loadEnvFile(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? [] : [`${path} cannot be read: ${message}.`];
  }
  // As Windows saves it, in UTF-16, there would be nothing in it.
  if (/[\0\uFFFD]/.test(text)) return [`${path} is no text in UTF-8: save it as such.`];
  const rest = text.replaceAll(assignment, (found) => found.replaceAll(/[^\n]/g, ""));
  const odd = rest.split("\n").flatMap((line, index) => (nothing.test(line) ? [] : [index + 1]));
  if (odd.length > 0)
    return odd.map((line) => `${path}, line ${line}: must be NAME=value. Example: PORT=4000`);
  process.loadEnvFile(path);
  return [];
}

/** The sentence on a file that sets a secret and that all users of the machine can read. */
export function envFileWarning(path: string): string | undefined {
  const warning = exposedEnvFile(path);
  if (warning === undefined) return undefined;
  let given: Readonly<Record<string, string | undefined>>;
  try {
    given = parseEnv(readFileSync(path, "utf8"));
  } catch {
    // `loadEnvFile` has said so.
    return undefined;
  }
  const holdsSecret = names.some(
    (name) => settings[name].secrecy !== undefined && given[settings[name].variable],
  );
  return holdsSecret ? warning : undefined;
}
