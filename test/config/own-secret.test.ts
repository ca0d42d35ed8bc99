/** The secret that a machine makes for itself. */
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ownSecret } from "../../src/config/own-secret.ts";

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "curfew-"));
  folder = join(parent, "new", "data");
});
afterEach(() => rm(parent, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test("a secret of 32 random bytes is made once, and the same at every later start", async () => {
  const secret = await ownSecret(folder);
  expect(Buffer.from(secret, "base64url")).toHaveLength(32);
  expect(await ownSecret(folder)).toBe(secret);
});

test("the file is readable by its owner only, in a folder that is theirs", async () => {
  await ownSecret(folder);
  expect(await modeOf(join(folder, "secret"))).toBe(0o600);
  expect(await modeOf(folder)).toBe(0o700);
});

test("a folder that is there already keeps its mode", async () => {
  await chmod(parent, 0o755);
  await ownSecret(parent);
  expect(await modeOf(parent)).toBe(0o755);
});

test("starts that race get one secret and leave nothing else behind", async () => {
  const racing = Array.from({ length: 20 }, () => ownSecret(folder));
  expect(new Set(await Promise.all(racing))).toHaveProperty("size", 1);
  expect(await readdir(folder)).toEqual(["secret"]);
});

test("in memory it is another one each time", async () => {
  expect(await ownSecret(":memory:")).not.toBe(await ownSecret(":memory:"));
});

test("a file without a secret is an error that does not tell what it holds", async () => {
  await writeFile(join(parent, "secret"), "hunter2\n");
  const rejection = expect(ownSecret(parent)).rejects;
  await rejection.toThrow(/holds no secret/);
  await rejection.not.toThrow(/hunter2/);
});

test("a folder that cannot be made is an error", async () => {
  await writeFile(join(parent, "file"), "");
  await expect(ownSecret(join(parent, "file", "data"))).rejects.toThrow(/ENOTDIR/);
});
