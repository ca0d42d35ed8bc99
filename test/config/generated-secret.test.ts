/** The secret that a first start generates. */
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readOrGenerateSecret } from "../../src/config/generated-secret.ts";

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "curfew-"));
  folder = join(parent, "new", "data");
});
afterEach(() => rm(parent, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test("the first start generates a secret of 32 random bytes, and later starts read it", async () => {
  const secret = await readOrGenerateSecret(folder);
  expect(Buffer.from(secret, "base64url")).toHaveLength(32);
  expect(await readOrGenerateSecret(folder)).toBe(secret);
});

test("only the owner can read the secret and its folder", async () => {
  await readOrGenerateSecret(folder);
  expect(await modeOf(join(folder, "secret"))).toBe(0o600);
  expect(await modeOf(folder)).toBe(0o700);
});

test("an existing folder keeps its mode", async () => {
  await chmod(parent, 0o755);
  await readOrGenerateSecret(parent);
  expect(await modeOf(parent)).toBe(0o755);
});

test("concurrent first starts get one secret and leave no other file", async () => {
  const racing = Array.from({ length: 20 }, () => readOrGenerateSecret(folder));
  expect(new Set(await Promise.all(racing))).toHaveProperty("size", 1);
  expect(await readdir(folder)).toEqual(["secret"]);
});

test("with :memory: each start has another secret", async () => {
  expect(await readOrGenerateSecret(":memory:")).not.toBe(await readOrGenerateSecret(":memory:"));
});

test("a file without a secret is an error that does not quote its content", async () => {
  await writeFile(join(parent, "secret"), "hunter2\n");
  const rejection = expect(readOrGenerateSecret(parent)).rejects;
  await rejection.toThrow(/contains no secret/);
  await rejection.not.toThrow(/hunter2/);
});

test("a folder that cannot be created is an error", async () => {
  await writeFile(join(parent, "file"), "");
  await expect(readOrGenerateSecret(join(parent, "file", "data"))).rejects.toThrow(/ENOTDIR/);
});
