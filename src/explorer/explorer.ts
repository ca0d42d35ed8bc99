/** Serves the explorer: GraphiQL with a sign-in panel. All of it comes from this server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { loadAssets, type Assets } from "./assets.ts";
import { renderPage, type ExplorerPage } from "./page.ts";

const explorerEndpoint = "/graphql";
const assetsPath = `${explorerEndpoint}/explorer/`;

interface LoadedExplorer {
  readonly assets: Assets;
  readonly page: ExplorerPage;
}

/** Creates a handler of requests for the explorer. It resolves with false for any other request. */
export function createExplorer() {
  let loading: Promise<LoadedExplorer> | undefined;

  async function load(): Promise<LoadedExplorer> {
    const assets = await loadAssets();
    // Relative to the page, because a proxy may serve it under another path.
    return { assets, page: renderPage(assets, `${assetsPath.slice(1)}${assets.hash}/`) };
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { method, url = "", headers } = request;
    if (method !== "GET" && method !== "HEAD") return false;
    const [path = ""] = url.split("?");
    const wantsPage = path === explorerEndpoint && headers.accept?.includes("text/html") === true;
    if (!wantsPage && !path.startsWith(assetsPath)) return false;
    const { assets, page } = await (loading ??= load());
    if (wantsPage) sendPage(response, page);
    else sendAsset(response, assets, path.slice(assetsPath.length));
    return true;
  };
}

function sendPage(response: ServerResponse, { html, policy }: ExplorerPage): void {
  sendBody(response, Buffer.from(html), {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
  });
}

/** Responds 404 to another hash. The page that requests it is of another version: a reload replaces it. */
function sendAsset(response: ServerResponse, { hash, files }: Assets, name: string): void {
  const asset = name.startsWith(`${hash}/`) ? files.get(name.slice(hash.length + 1)) : undefined;
  if (asset === undefined) {
    response.writeHead(404, securityHeaders).end();
    return;
  }
  sendBody(response, asset.body, {
    "content-type": `${asset.type}; charset=utf-8`,
    "cache-control": "public, max-age=31536000, immutable",
  });
}

/** Sends a response. For a HEAD request, Node omits the body. */
function sendBody(response: ServerResponse, body: Buffer, headers: Record<string, string>): void {
  response
    .writeHead(200, { ...securityHeaders, "content-length": body.length, ...headers })
    .end(body);
}
