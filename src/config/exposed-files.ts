/** Finds files with secrets that other users of the machine can read, change or replace. */
import { statSync } from "node:fs";
import { join } from "node:path";

/** Permission bits of a file's mode. "Others" are the users who are neither the owner nor in the file's group. */
const anyForGroupOrOthers = 0o077;
const readForOthers = 0o004;
const writeForGroupOrOthers = 0o022;

/** The files of the data folder, and what each one contains. */
const contentOfFiles = {
  secret: "the secret that signs all tokens",
  "curfew.db": "users and sessions",
  "curfew.db-wal": "users and sessions",
  "curfew.db-shm": "users and sessions",
} as const;

/**
 * Returns one warning for each file of the data folder that is open to other users, and one for the folder if other
 * users can replace its files. Curfew creates these files for their owner only. If that has changed, the cause was a
 * copy, a backup tool or a volume.
 *
 * Windows has no such permissions, so the function returns no warnings there.
 *
 * @param hasOwnSecret whether the server signs tokens with the secret in this folder
 */
export function exposedData(dataDir: string, hasOwnSecret: boolean): readonly string[] {
  if (dataDir === ":memory:") return [];
  const files = Object.entries(contentOfFiles).flatMap(([name, content]) => {
    const path = join(dataDir, name);
    const mode = modeOf(path);
    if (mode === undefined || (mode & anyForGroupOrOthers) === 0) return [];
    const isSecret = name === "secret";
    if (isSecret && !hasOwnSecret) return [];
    const secretAdvice = isSecret
      ? " If others may have read it, delete it, which ends all sessions."
      : "";
    return [
      `${path} has mode ${octal(mode)}: other users of this machine may read or change ${content}. Run: chmod 600 ${path}${secretAdvice}`,
    ];
  });
  const mode = modeOf(dataDir);
  if (mode === undefined || (mode & writeForGroupOrOthers) === 0) return files;
  return [
    ...files,
    `${dataDir} has mode ${octal(mode)}: other users of this machine can replace the files in it. Run: chmod 700 ${dataDir}`,
  ];
}

/** Returns a warning if all users of the machine can read the `.env` file, and otherwise `undefined`. */
export function exposedEnvFile(path: string): string | undefined {
  const mode = modeOf(path);
  if (mode === undefined || (mode & readForOthers) === 0) return undefined;
  return `${path} holds secrets and has mode ${octal(mode)}: other users of this machine can read it. Run: chmod 600 ${path}`;
}

/** Returns `undefined` if the file does not exist, or on Windows. */
function modeOf(path: string): number | undefined {
  if (process.platform === "win32") return undefined;
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && stats.mode & 0o777;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
