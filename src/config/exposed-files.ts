/** Finds files with secrets that other users of the machine may read or replace. */
import { statSync } from "node:fs";
import { join } from "node:path";

/** Permissions of a file's group and of all other users. */
const groupAndOthers = 0o077;
const readByOthers = 0o004;
const writtenByGroupOrOthers = 0o022;

/** The files of `dataDir`, and what other users would have of them. */
const contents = {
  secret: "the secret that signs all tokens",
  "curfew.db": "users and sessions",
  "curfew.db-wal": "users and sessions",
  "curfew.db-shm": "users and sessions",
} as const;

/**
 * One sentence for each file of the data folder, and for the folder, whose permissions are too wide. Their
 * files are created for their owner alone, so a copy, a backup tool or a volume has changed them.
 *
 * Windows has no such permissions: there it finds nothing.
 *
 * @param hasOwnSecret whether tokens are signed by the secret in that folder
 */
export function exposedData(dataDir: string, hasOwnSecret: boolean): readonly string[] {
  if (dataDir === ":memory:") return [];
  const files = Object.entries(contents).flatMap(([name, what]) => {
    const path = join(dataDir, name);
    const mode = modeOf(path);
    if (mode === undefined || (mode & groupAndOthers) === 0) return [];
    const isSecret = name === "secret";
    if (isSecret && !hasOwnSecret) return [];
    const rest = isSecret ? " If others may have read it, delete it, which ends all sessions." : "";
    return [
      `${path} has mode ${octal(mode)}: other users of this machine may read or change ${what}. Run: chmod 600 ${path}${rest}`,
    ];
  });
  const mode = modeOf(dataDir);
  if (mode === undefined || (mode & writtenByGroupOrOthers) === 0) return files;
  return [
    ...files,
    `${dataDir} has mode ${octal(mode)}: other users of this machine can replace the files in it. Run: chmod 700 ${dataDir}`,
  ];
}

/** The sentence on an `.env` file that all users of the machine can read; undefined where they cannot. */
export function exposedEnvFile(path: string): string | undefined {
  const mode = modeOf(path);
  if (mode === undefined || (mode & readByOthers) === 0) return undefined;
  return `${path} holds secrets and has mode ${octal(mode)}: other users of this machine can read it. Run: chmod 600 ${path}`;
}

/** Undefined where there is no such file, or no such permissions. */
function modeOf(path: string): number | undefined {
  if (process.platform === "win32") return undefined;
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && stats.mode & 0o777;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
