/** The previous version of the server, from the repository's own history. */
import { execFileSync } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { newFolder } from "./command.ts";

/** The commit that this version is an upgrade of. */
const commit = "778474b5670efbc151fea42db998f8c02495132b";

const repository = join(import.meta.dirname, "../..");

function git(...args: readonly string[]): Buffer {
  const stdio = ["ignore", "pipe", "ignore"] as const;
  return execFileSync("git", args, { cwd: repository, stdio: [...stdio], maxBuffer: 2 ** 28 });
}

/** Why the previous version cannot be had: this is not a clone of the repository, or a shallow one. */
export function previousVersionMissing(): string | undefined {
  try {
    git("cat-file", "-e", `${commit}^{commit}`);
    return undefined;
  } catch {
    return `the commit ${commit.slice(0, 7)} is not in this copy of the repository`;
  }
}

/** Unpacks the previous version into a temporary folder. It uses the packages of this version. */
export async function unpackPreviousVersion() {
  const folder = await newFolder();
  const archive = git("archive", commit, "src", "schema", "package.json");
  execFileSync("tar", ["-x", "-C", folder.path], { input: archive });
  await symlink(join(repository, "node_modules"), join(folder.path, "node_modules"));
  return Object.assign(folder, { main: join(folder.path, "src/main.ts") });
}
