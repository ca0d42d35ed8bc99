/** Creates user projects: folders with the packed Curfew installed by npm. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

export const root = join(import.meta.dirname, "../..");
const example = join(root, "examples/existing-yoga");
/** Rejects when the command fails. */
export const run = promisify(execFile);

/** The environment of a user: without the variables that npm and vitest set for this repository. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_ENV|INIT_CWD)/i.test(name)),
);

/** Packs the package as `npm publish` would. */
export async function pack(folder: string): Promise<string> {
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string }];
  return join(folder, filename);
}

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "curfew-package-"));
}

export interface Program extends AsyncDisposable {
  /** The first line of its output. */
  readonly line: string;
}

export class Project implements AsyncDisposable {
  readonly folder: string;
  /** The output of `npm install`. */
  readonly installOutput: string;

  private constructor(folder: string, installOutput: string) {
    this.folder = folder;
    this.installOutput = installOutput;
  }

  /** Creates a project of the existing-yoga example, with additional dependencies. */
  static async open(
    tarball: string,
    dependenciesToAdd: Readonly<Record<string, string>>,
  ): Promise<Project> {
    const folder = await temporaryFolder();
    for (const file of ["server.ts", "tsconfig.json"])
      await cp(join(example, file), join(folder, file));
    const manifest = JSON.parse(await readFile(join(example, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    const dependencies = {
      ...manifest.dependencies,
      ...dependenciesToAdd,
      curfew: `file:${tarball}`,
    };
    await writeFile(join(folder, "package.json"), JSON.stringify({ ...manifest, dependencies }));
    const flags = ["--no-audit", "--no-fund"];
    const { stderr } = await run("npm", ["install", ...flags], { cwd: folder, env });
    return new Project(folder, stderr);
  }

  async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.folder, file), text);
  }

  /** Resolves with the output of a command of one of its packages. Rejects if it fails. */
  async exec(command: string, ...args: readonly string[]): Promise<string> {
    const binary = join(this.folder, "node_modules/.bin", command);
    return this.node(binary, ...args);
  }

  async node(...args: readonly string[]): Promise<string> {
    try {
      const { stdout } = await run(process.execPath, args, { cwd: this.folder, env });
      return stdout;
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
      throw new Error(`${args.join(" ")}\n${stdout}\n${stderr}`, { cause: error });
    }
  }

  /** Starts a server program. */
  async start(file: string): Promise<Program> {
    const child = spawn(process.execPath, [file], {
      cwd: this.folder,
      env: { ...env, PORT: "0", DATA_DIR: ":memory:", LOG_LEVEL: "silent" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const { value: line = "" } = await lines.next();
    return {
      line,
      async [Symbol.asyncDispose]() {
        child.kill();
        await exited;
      },
    };
  }

  /** Returns the paths of all installed copies of a package. */
  async copiesOf(name: string): Promise<readonly string[]> {
    const files = await readdir(join(this.folder, "node_modules"), { recursive: true });
    return files.filter((file) => `/${file}`.endsWith(`/${name}/package.json`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

/** Returns the TypeScript blocks of a page of the docs. */
export async function codeOf(page: string): Promise<readonly string[]> {
  const text = await readFile(join(root, page), "utf8");
  return [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code = ""]) => code);
}
