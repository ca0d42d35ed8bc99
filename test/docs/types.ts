/** Type-checks the TypeScript blocks of the pages, each as a separate module. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { root, type CodeBlock } from "./pages.ts";

/** Names that the pages' code uses without declaring them. */
const ambientDeclarations = `
declare const email: string;
declare const password: string;
declare const accessToken: string;
declare const session: import("curfew/client").Session;
declare const sockets: import("graphql-ws").Client;
declare function freshAccessToken(): Promise<string>;
declare function show(message: string): void;
declare function showLogin(reason: import("curfew/client").SignedOutReason | undefined): void;
`;

/** @returns the compiler's errors with the line numbers of the pages */
export async function typeErrors(blocks: readonly CodeBlock[]): Promise<string[]> {
  const home = fileURLToPath(root);
  // Inside node_modules, packages resolve as from the root.
  const folder = await mkdtemp(join(home, "node_modules/.docs-"));
  try {
    await writeFile(join(folder, "given.d.ts"), ambientDeclarations);
    for (const { page, line, code } of blocks) {
      const file = `${page.replaceAll("/", ".")}.${line}.ts`;
      await writeFile(join(folder, file), `${"\n".repeat(line - 1)}${code}\nexport {};\n`);
    }
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(settings(home)));
    const tsc = join(home, "node_modules/.bin/tsc");
    await promisify(execFile)(tsc, ["-p", folder, "--pretty", "false"]);
    return [];
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    if (!stdout) throw error;
    return stdout.trim().split("\n");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * The compiler options of the sources, without the checks for unused names and for `undefined` in optional
 * properties, in which the types of graphql-ws and urql differ.
 */
function settings(home: string) {
  return {
    extends: join(home, "tsconfig.json"),
    compilerOptions: {
      lib: ["esnext", "dom", "dom.iterable"],
      exactOptionalPropertyTypes: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      // Relative imports also resolve against the root.
      rootDirs: [".", home],
      paths: {
        curfew: [join(home, "src/index.ts")],
        "curfew/client": [join(home, "src/client/index.ts")],
        "curfew/testing": [join(home, "src/testing/index.ts")],
        "curfew/client/*": [join(home, "src/client/*.ts")],
      },
    },
    include: ["*.ts"],
    exclude: [],
  };
}
