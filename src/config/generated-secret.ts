/** The secret of a single machine: its first start generates it and stores it beside the data. */
import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Reads the secret in `<dataDir>/secret`, or generates it, readable by its owner only. Concurrent first starts get
 * the same secret. With `:memory:` each call generates another secret and stores it nowhere.
 *
 * Rejects if the folder cannot be written or the file contains no secret.
 */
export async function readOrGenerateSecret(dataDir: string): Promise<string> {
  if (dataDir === ":memory:") return newSecret();
  return (await readGeneratedSecret(dataDir)) ?? (await generateSecret(dataDir, fileIn(dataDir)));
}

/** Reads the secret that an earlier start generated, if there is one. */
export async function readGeneratedSecret(dataDir: string): Promise<string | undefined> {
  return dataDir === ":memory:" ? undefined : readSecret(fileIn(dataDir));
}

function fileIn(dataDir: string): string {
  return join(dataDir, "secret");
}

async function generateSecret(dataDir: string, file: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, newSecret(), { mode: 0o600, flag: "wx", flush: true });
    // Linking is atomic: the file appears complete, and only if there is none yet.
    await link(draft, file).catch(ignore("EEXIST"));
  } finally {
    await rm(draft, { force: true });
  }
  return (await readSecret(file)) ?? generateSecret(dataDir, file);
}

async function readSecret(file: string): Promise<string | undefined> {
  const secret = (await readFile(file, "utf8").catch(ignore("ENOENT")))?.trim();
  if (secret !== undefined && Buffer.byteLength(secret) < 32) {
    throw new Error(
      `${file} contains no secret: restore the file, or delete it, which ends all sessions`,
    );
  }
  return secret;
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** Turns an expected error into no result. */
function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
    return undefined;
  };
}
