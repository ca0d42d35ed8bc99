/** Warnings about secret files with permissions that are too wide, with the command that makes them private. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { envFileWarning } from "../../src/cli/env-file.ts";
import { exposedData } from "../../src/config/exposed-files.ts";
import { readOrGenerateSecret } from "../../src/config/generated-secret.ts";
import { startCurfew } from "../helpers/curfew.ts";

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "curfew-"));
  folder = join(parent, "data");
});
afterEach(() => rm(parent, { recursive: true }));

/** Starts a server on the folder. Resolves to the warnings of its start. */
async function warningsOfStart(secrets?: readonly string[]): Promise<readonly string[]> {
  await using curfew = await startCurfew({ dataDir: folder, secrets });
  return curfew.startup.warnings;
}

describe("the start", () => {
  test("does not warn about a folder that it created", async () => {
    await readOrGenerateSecret(folder);
    expect(await warningsOfStart()).toEqual([]);
    expect(await warningsOfStart()).toEqual([]);
  });

  test.each([0o644, 0o640, 0o604, 0o620])(
    "warns about a secret with mode %i, with the command that makes it private",
    async (mode) => {
      await readOrGenerateSecret(folder);
      const file = join(folder, "secret");
      await chmod(file, mode);
      const [warning, ...others] = await warningsOfStart();
      expect(warning).toContain(`${file} has mode 0${mode.toString(8)}`);
      expect(warning).toContain(`Run: chmod 600 ${file}`);
      expect(others).toEqual([]);
      expect(await warningsOfStart(["another secret, which signs the tokens instead"])).toEqual([]);
      await chmod(file, 0o600);
      expect(await warningsOfStart()).toEqual([]);
    },
  );

  test("warns about a folder that others can write, and not about one that they can only read", async () => {
    await mkdir(folder);
    await chmod(folder, 0o755);
    expect(await warningsOfStart()).toEqual([]);
    await chmod(folder, 0o775);
    expect(await warningsOfStart()).toEqual([
      expect.stringContaining(`${folder} has mode 0775: other users`),
    ]);
  });

  test("makes a database and its side files private", async () => {
    await mkdir(folder);
    for (const name of ["curfew.db", "curfew.db-wal", "curfew.db-shm"])
      await writeFile(join(folder, name), "", { mode: 0o644 });
    expect(exposedData(folder, true)).toHaveLength(3);
    expect(await warningsOfStart()).toEqual([]);
  });

  test("finds nothing with :memory:", () => {
    expect(exposedData(":memory:", true)).toEqual([]);
    expect(exposedData(join(folder, "missing"), true)).toEqual([]);
  });
});

describe("an .env file", () => {
  const write = async (text: string, mode: number) => {
    const file = join(parent, ".env");
    await writeFile(file, text);
    await chmod(file, mode);
    return envFileWarning(file);
  };

  test.each(["CURFEW_SECRETS=x", "METRICS_TOKEN=x", "REDIS_URL=redis://:x@localhost"])(
    "with %s that all users can read gives a warning",
    async (line) => {
      const warning = await write(`PORT=4000\n${line}\n`, 0o644);
      expect(warning).toContain("has mode 0644");
      expect(warning).toContain("Run: chmod 600 ");
      expect(warning).not.toContain("x@");
      expect(await write(line, 0o640)).toBeUndefined();
    },
  );

  test("without a secret may be readable by all users", async () => {
    expect(await write("PORT=4000\nCURFEW_SECRETS=\n", 0o644)).toBeUndefined();
    expect(envFileWarning(join(parent, "missing"))).toBeUndefined();
  });
});
