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
  /** A hash of all files. It is part of their URLs, so browsers may cache them without limit. */
  readonly hash: string;
  /** The files by their paths, relative to the hash. */
  readonly files: ReadonlyMap<string, Asset>;
  readonly main: string;
  /** The modules that `main` imports, for the page to preload. */
  readonly modules: readonly string[];
  /** The paths of the packages that the modules import by name. */
  readonly packages: Readonly<Record<string, string>>;
}

/** The extension of modules: `.ts` in a checkout, `.js` in the published package. */
const extension = posix.extname(new URL(import.meta.url).pathname);
const socketClient = "graphql-ws/client";

/** Reads about ten megabytes. Call it once, when a browser first opens the page. */
export async function loadAssets(): Promise<Assets> {
  const graphiql = await import("@graphql-yoga/render-graphiql/graphiql");
  const modules: Modules = new Map();
  const main = `explorer/browser/main${extension}`;
  const sockets = "graphql-ws/client.js";
  await addModule(modules, main, new URL(`../${main}`, import.meta.url));
  await addModule(modules, sockets, new URL(import.meta.resolve(socketClient)));
  const scripts = {
    "graphiql/graphiql.js": graphiql.js,
    // GraphiQL's editor requests its workers by these names.
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
    packages: { [socketClient]: sockets },
  };
}

function hashOf(files: Assets["files"]): string {
  const hash = createHash("sha256");
  for (const [path, { body }] of files) hash.update(`${path}\n${body.length}\n`).update(body);
  return hash.digest("base64url").slice(0, 16);
}
