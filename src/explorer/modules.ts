/** Collects the modules of a page by following their imports. They are served without a bundler. */
import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { posix } from "node:path";

/** Module sources by the path that serves them. */
export type Modules = Map<string, string>;

const relativeImports = /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["'](\.[^"']+)["']/gm;

/**
 * Adds a module and all its relative imports. The page's import map resolves packages.
 *
 * @param path the path that serves the module
 * @param url the file: TypeScript in a checkout, JavaScript in the published package
 */
export async function addModule(modules: Modules, path: string, url: URL): Promise<void> {
  if (modules.has(path)) return;
  const text = await readFile(url, "utf8");
  const source = url.pathname.endsWith(".ts") ? stripTypeScriptTypes(text) : text;
  modules.set(path, source);
  for (const [, specifier = ""] of source.matchAll(relativeImports))
    await addModule(modules, posix.join(posix.dirname(path), specifier), new URL(specifier, url));
}
