/** The explorer's page, and what it may do. */
import { createHash } from "node:crypto";
import type { Assets } from "./assets.ts";
import { mark } from "./icon.ts";

export interface Page {
  readonly html: string;
  readonly policy: string;
}

/** @param folder where the page finds the assets, with a slash at its end */
export function renderPage({ main, modules, packages }: Assets, folder: string): Page {
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
    <link rel="icon" href="data:image/svg+xml,${encodeURIComponent(mark)}">
    <link rel="stylesheet" href="${folder}explorer.css">
    <script type="importmap">${importMap}</script>
${modules.map((path) => `    <link rel="modulepreload" href="${folder}${path}">`).join("\n")}
    <script defer src="${folder}graphiql/graphiql.js"></script>
    <script type="module" src="${folder}${main}"></script>
  </head>
  <body>
    <noscript>The explorer is a program: it needs JavaScript.</noscript>
    <main id="root"></main>
  </body>
</html>
`;
  return { html, policy: policyOf(importMap) };
}

/**
 * Everything comes from this server: scripts and workers as files, the import map by its hash. GraphiQL's
 * editor writes styles and has its fonts in its style sheet; the page may speak to this server only.
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
