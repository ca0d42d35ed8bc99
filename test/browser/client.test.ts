/** The client's session in real tabs: what Web Locks, BroadcastChannel and sockets of a browser make of it. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import type { Session } from "../../src/client/index.ts";
import { openBrowser } from "../helpers/browser.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { newEmail, password } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";

/** The tabs have the last fifth of it for a renewal (ms). */
const accessTokenTtl = 8_000;

declare const window: { session: Session; closes: string[]; opened: number };

it("three tabs share one session, renew it once a period and end together", async () => {
  await using app = await serveApp();
  await using curfew = await startCurfew({
    accessTokenTtl,
    renewalGrace: accessTokenTtl - 1_000,
    allowedOrigins: [new URL(app.url).origin],
  });
  await using browser = await openBrowser();
  const { page } = browser;
  const url = `${app.url}?${encodeURIComponent(curfew.url)}`;
  await page.goto(url);
  await status(page, "signedOut");
  await page.evaluate(async (credentials) => void (await window.session.register(credentials)), {
    email: newEmail(),
    password,
  });
  const others = [await page.context().newPage(), await page.context().newPage()];
  for (const other of others) await other.goto(url);
  const pages = [page, ...others];
  // The later ones without a login.
  for (const tab of pages) await status(tab, "signedIn");
  await until(() => curfew.connections.size === 3, "the sockets of the three");

  const from = performance.now();
  let token = await page.evaluate(() => window.session.accessToken());
  let renewals = 0;
  while (renewals < 4) {
    const next = await page.evaluate(() => window.session.accessToken());
    if (next !== token) renewals += 1;
    token = next;
  }
  // Each period is at least 70 of 100 parts of a token's life. The first renewal may be noticed late; did each
  // tab renew by itself, four would be there within two periods.
  expect(performance.now() - from).toBeGreaterThan(2 * 0.7 * accessTokenTtl);
  // Asked one after the other, some may be asked before a renewal and some after it.
  await until(async () => {
    const tokens = await Promise.all(
      pages.map((tab) => tab.evaluate(() => window.session.accessToken())),
    );
    return new Set(tokens).size === 1;
  }, "one token in all tabs");
  for (const tab of pages) expect(await tab.evaluate(() => window.opened)).toBe(1);

  await others[0]?.evaluate(() => window.session.logout());

  for (const tab of pages) {
    await status(tab, "signedOut");
    await tab.waitForFunction(() => window.closes.length > 0);
    expect(await tab.evaluate(() => [window.closes, window.opened])).toEqual([
      ["4401 SESSION_ENDED"],
      1,
    ]);
  }
  await until(() => curfew.connections.size === 0, "no connection");
  expect(browser.pageErrors).toEqual([]);
});

async function status(page: Page, expected: string): Promise<void> {
  await page.waitForFunction((wanted) => window.session?.state.status === wanted, expected);
}

/** An app of one page that subscribes while it is signed in: the client as it stands, without its types. */
async function serveApp() {
  const script = `
    import { createClient } from "/graphql-ws/client.js";
    import { createSession } from "/client/index.ts";
    import { createSocketClient } from "/client/graphql-ws.ts";
    window.session = createSession({ url: decodeURIComponent(location.search.slice(1)) });
    window.closes = [];
    window.opened = 0;
    const sockets = createSocketClient(createClient, session);
    sockets.on("connecting", () => (window.opened += 1));
    sockets.on("closed", ({ code, reason }) => window.closes.push(code + " " + reason));
    session.subscribe(({ status }) => {
      if (status === "signedIn")
        sockets.subscribe(
          { query: "subscription { sessionEvents { type } }" },
          { next() {}, error() {}, complete() {} },
        );
    });`;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    load(pathname).then(
      ([type, body]) => response.writeHead(200, { "content-type": type }).end(body),
      () => response.writeHead(404).end(),
    );
  });
  async function load(path: string): Promise<[string, string]> {
    const [, folder, file] = path.split("/");
    if (folder === "")
      return [
        "text/html",
        `<link rel="icon" href="data:,"><script type="module">${script}</script>`,
      ];
    const place = folder === "client" ? "../../src/client/" : "../../node_modules/graphql-ws/dist/";
    const source = await readFile(new URL(`${place}${file}`, import.meta.url), "utf8");
    return ["text/javascript", folder === "client" ? stripTypeScriptTypes(source) : source];
  }
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
