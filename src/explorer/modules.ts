/** The modules of a page, found by following their imports, and served as they stand: without a bundler. */
import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { posix } from "node:path";

/** Sources by the path that they are served under. */
export type Modules = Map<string, string>;

const relativeImports = /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["'](\.[^"']+)["']/gm;

/**
 * Adds a module and all that it imports from beside it. Packages are left to the page's import map.
 * @param path where the page finds it
 * @param url where it is: TypeScript in a checkout, JavaScript in the published package
 */
export async function addModule(modules: Modules, path: string, url: URL): Promise<void> {
  if (modules.has(path)) return;
  const text = await readFile(url, "utf8");
  const source = url.pathname.endsWith(".ts") ? stripTypeScriptTypes(text) : text;
  modules.set(path, source);
  for (const [, specifier = ""] of source.matchAll(relativeImports))
    await addModule(modules, posix.join(posix.dirname(path), specifier), new URL(specifier, url));
}
