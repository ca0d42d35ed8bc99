/** The secret of a single machine, made at its first start and kept beside its data. */
import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Reads `<dataDir>/secret`, or makes it, readable by its owner only. Starts that race get the same
 * secret. In `:memory:` it is a fresh one each time, kept nowhere.
 *
 * Rejects when the folder cannot be written or the file holds no secret.
 */
export async function ownSecret(dataDir: string): Promise<string> {
  if (dataDir === ":memory:") return newSecret();
  return (await keptSecret(dataDir)) ?? (await makeSecret(dataDir, fileIn(dataDir)));
}

/** The secret that an earlier start made, if there was one. */
export async function keptSecret(dataDir: string): Promise<string | undefined> {
  return dataDir === ":memory:" ? undefined : readSecret(fileIn(dataDir));
}

function fileIn(dataDir: string): string {
  return join(dataDir, "secret");
}

async function makeSecret(dataDir: string, file: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, newSecret(), { mode: 0o600, flag: "wx", flush: true });
    // Linking is atomic: the file appears whole, and only where there is none yet.
    await link(draft, file).catch(unless("EEXIST"));
  } finally {
    await rm(draft, { force: true });
  }
  return (await readSecret(file)) ?? makeSecret(dataDir, file);
}

async function readSecret(file: string): Promise<string | undefined> {
  const secret = (await readFile(file, "utf8").catch(unless("ENOENT")))?.trim();
  if (secret !== undefined && Buffer.byteLength(secret) < 32) {
    throw new Error(`${file} holds no secret: restore it, or delete it, which ends all sessions`);
  }
  return secret;
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** Takes an expected error for no result. */
function unless(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
    return undefined;
  };
}
