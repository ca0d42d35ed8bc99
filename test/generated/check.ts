/** Fails if a generated file is out of date, and replaces it with the current one. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const root = new URL("../../", import.meta.url);
const generated = [
  "src/graphql/generated.ts",
  "src/config/options.ts",
  "docs/settings.md",
  "docs/protocol.md",
  "README.md",
];

const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const before = new Map(generated.map((path) => [path, read(path)]));
const { status } = spawnSync("npm", ["run", "--silent", "codegen"], {
  cwd: root,
  stdio: "inherit",
});
const stale = generated.filter((path) => read(path) !== before.get(path));
for (const path of stale)
  process.stderr.write(`${path} was out of date: commit the new version.\n`);
process.exitCode = status !== 0 || stale.length > 0 ? 1 : 0;
