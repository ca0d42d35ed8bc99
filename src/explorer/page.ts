/** Renders the explorer's page and its Content-Security-Policy. */
import { createHash } from "node:crypto";
import type { Assets } from "./assets.ts";
import { icon } from "./icon.ts";

export interface ExplorerPage {
  readonly html: string;
  /** The value of `content-security-policy`. */
  readonly policy: string;
}

/** @param folder the path of the assets, relative to the page, with a trailing slash */
export function renderPage({ main, modules, packages }: Assets, folder: string): ExplorerPage {
  const imports = Object.fromEntries(
    Object.entries(packages).map(([name, path]) => [name, `./${folder}${path}`]),
  );
  const importMap = JSON.stringify({ imports });
  const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Curfew</title>
    <link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
    <link rel="stylesheet" href="${folder}explorer.css">
    <script type="importmap">${importMap}</script>
${modules.map((path) => `    <link rel="modulepreload" href="${folder}${path}">`).join("\n")}
    <script defer src="${folder}graphiql/graphiql.js"></script>
    <script type="module" src="${folder}${main}"></script>
  </head>
  <body>
    <noscript>The explorer needs JavaScript.</noscript>
    <main id="root"></main>
  </body>
</html>
`;
  return { html, policy: policyOf(importMap) };
}

/**
 * Returns a policy that allows this server only: scripts and workers as files, the import map by its hash.
 * GraphiQL's editor adds inline styles and has its fonts in its style sheet.
 */
function policyOf(importMap: string): string {
  const hash = createHash("sha256").update(importMap).digest("base64");
  return [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "worker-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src data:",
    "font-src data:",
    "connect-src 'self'",
  ].join("; ");
}
