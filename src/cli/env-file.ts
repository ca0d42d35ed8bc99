/** Loads `.env` with Node's own loader, and reports the lines that the loader would ignore silently. */
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { exposedEnvFile } from "../config/exposed-files.ts";
import { names, settings } from "../config/settings.ts";

/** An assignment, from its name to the end of its value. A quoted value may span several lines. */
const assignment = /^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*(?:(["'`])[^]*?\1.*|.*)$/gm;
const blankOrComment = /^\s*(#.*)?$/;

/**
 * Sets the variables of the file that the environment does not have. A missing file is not an error.
 *
 * @returns one line for each issue, which quotes nothing from the file
 */
export function loadEnvFile(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? [] : [`${path} cannot be read: ${message}.`];
  }
  // Node's loader finds no variables in UTF-16, which some Windows editors write.
  if (/[\0\uFFFD]/.test(text)) return [`${path} is not UTF-8 text: save it as UTF-8.`];
  const rest = text.replaceAll(assignment, (found) => found.replaceAll(/[^\n]/g, ""));
  const wrongLines = rest
    .split("\n")
    .flatMap((line, index) => (blankOrComment.test(line) ? [] : [index + 1]));
  if (wrongLines.length > 0)
    return wrongLines.map(
      (line) => `${path}, line ${line}: must be NAME=value. Example: PORT=4000`,
    );
  process.loadEnvFile(path);
  return [];
}

/** Returns a warning if the file sets a secret and all users of the machine can read it. */
export function envFileWarning(path: string): string | undefined {
  const warning = exposedEnvFile(path);
  if (warning === undefined) return undefined;
  let given: Readonly<Record<string, string | undefined>>;
  try {
    given = parseEnv(readFileSync(path, "utf8"));
  } catch {
    // `loadEnvFile` has reported the error.
    return undefined;
  }
  const holdsSecret = names.some(
    (name) => settings[name].secrecy !== undefined && given[settings[name].variable],
  );
  return holdsSecret ? warning : undefined;
}
