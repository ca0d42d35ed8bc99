/** The explorer: GraphiQL with Curfew's own panel for signing in, served from this server alone. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { securityHeaders } from "../graphql/plugins/use-security-headers.ts";
import { loadAssets, type Assets } from "./assets.ts";
import { renderPage, type Page } from "./page.ts";

const endpoint = "/graphql";
const folder = `${endpoint}/explorer/`;

interface Loaded {
  readonly assets: Assets;
  readonly page: Page;
}

/** Answers what browsers ask of the explorer; false where it is none of its business. */
export function createExplorer() {
  let loading: Promise<Loaded> | undefined;

  async function load(): Promise<Loaded> {
    const assets = await loadAssets();
    // Seen from the page, which a proxy may serve under a path of its own.
    return { assets, page: renderPage(assets, `${folder.slice(1)}${assets.hash}/`) };
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { method, url = "", headers } = request;
    if (method !== "GET" && method !== "HEAD") return false;
    const [path = ""] = url.split("?");
    const wantsPage = path === endpoint && headers.accept?.includes("text/html") === true;
    if (!wantsPage && !path.startsWith(folder)) return false;
    const { assets, page } = await (loading ??= load());
    if (wantsPage) sendPage(response, page);
    else sendAsset(response, assets, path.slice(folder.length));
    return true;
  };
}

function sendPage(response: ServerResponse, { html, policy }: Page): void {
  send(response, Buffer.from(html), {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
  });
}

/** One of another hash is gone: so is the page that asks for it, once it is loaded anew. */
function sendAsset(response: ServerResponse, { hash, files }: Assets, name: string): void {
  const asset = name.startsWith(`${hash}/`) ? files.get(name.slice(hash.length + 1)) : undefined;
  if (asset === undefined) {
    response.writeHead(404, securityHeaders).end();
    return;
  }
  send(response, asset.body, {
    "content-type": `${asset.type}; charset=utf-8`,
    "cache-control": "public, max-age=31536000, immutable",
  });
}

/** To a HEAD, Node leaves the body out. */
function send(response: ServerResponse, body: Buffer, headers: Record<string, string>): void {
  response
    .writeHead(200, { ...securityHeaders, "content-length": body.length, ...headers })
    .end(body);
}
