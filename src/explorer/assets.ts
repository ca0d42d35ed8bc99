/** Loads the assets of the explorer's page: GraphiQL, the explorer's own modules and graphql-ws. */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { addModule, type Modules } from "./modules.ts";
import { styles } from "./styles.ts";

export interface Asset {
  readonly type: "text/css" | "text/javascript";
  readonly body: Buffer;
}

export interface Assets {
  /**
   * A hash of the paths and contents of all files. Every file's URL contains it, so browsers may cache the files
   * forever.
   */
  readonly hash: string;
  /** The files by path. In a URL, the path follows the hash. */
  readonly files: ReadonlyMap<string, Asset>;
  /** The path of the module that starts the explorer. */
  readonly main: string;
  /** The paths of `main` and of all modules that it needs. The page preloads them. */
  readonly modules: readonly string[];
  /** For each package that the modules import by name, the path of its module. */
  readonly packages: Readonly<Record<string, string>>;
}

/** The file extension of the explorer's own modules: `.ts` in a checkout, `.js` in the published package. */
const extension = posix.extname(new URL(import.meta.url).pathname);
const socketClientPackage = "graphql-ws/client";

/** Reads about ten megabytes from disk. The caller calls it once, when a browser first opens the page. */
export async function loadAssets(): Promise<Assets> {
  const graphiql = await import("@graphql-yoga/render-graphiql/graphiql");
  const modules: Modules = new Map();
  const main = `explorer/browser/main${extension}`;
  const socketClientPath = "graphql-ws/client.js";
  await addModule(modules, main, new URL(`../${main}`, import.meta.url));
  await addModule(modules, socketClientPath, new URL(import.meta.resolve(socketClientPackage)));
  const scripts = {
    "graphiql/graphiql.js": graphiql.js,
    // GraphiQL's editor loads its web workers from these three paths.
    "graphiql/editorWorkerService.js": graphiql.editorWorkerService,
    "graphiql/graphql.js": graphiql.graphqlWorker,
    "graphiql/json.js": graphiql.jsonWorker,
    ...Object.fromEntries(modules),
  };
  const files = new Map<string, Asset>([
    ["explorer.css", { type: "text/css", body: Buffer.from(graphiql.css + styles) }],
  ]);
  for (const [path, source] of Object.entries(scripts))
    files.set(path, { type: "text/javascript", body: Buffer.from(source) });
  return {
    hash: hashOf(files),
    files,
    main,
    modules: [...modules.keys()],
    packages: { [socketClientPackage]: socketClientPath },
  };
}

function hashOf(files: Assets["files"]): string {
  const hash = createHash("sha256");
  for (const [path, { body }] of files) hash.update(`${path}\n${body.length}\n`).update(body);
  return hash.digest("base64url").slice(0, 16);
}
