/** The client's session in real tabs: what Web Locks, BroadcastChannel and sockets of a browser make of it. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import type { Session, SessionState } from "../../src/client/index.ts";
import { openBrowser } from "../helpers/browser.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { login, newEmail, password, askData } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";

/** The tabs renew in its last fifth (ms). */
const accessTokenTtl = 8_000;

declare const window: {
  session: Session;
  states: SessionState[];
  closes: string[];
  opened: number;
};

it("three tabs share one session, renew it once per period and are signed out together", async () => {
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
  // The later tabs are signed in without a login.
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
  // Each period is at least 0.7 of a token's lifetime. The test may notice the first renewal late. If each tab
  // renewed by itself, two periods would have four renewals.
  expect(performance.now() - from).toBeGreaterThan(2 * 0.7 * accessTokenTtl);
  // A renewal may happen between the calls.
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

it("all tabs show why their session was ended from another device", async () => {
  await using app = await serveApp();
  await using curfew = await startCurfew({ allowedOrigins: [new URL(app.url).origin] });
  await using browser = await openBrowser();
  const { page } = browser;
  const url = `${app.url}?${encodeURIComponent(curfew.url)}`;
  await page.goto(url);
  const credentials = { email: newEmail(), password };
  await page.evaluate(async (given) => void (await window.session.register(given)), credentials);
  const other = await page.context().newPage();
  await other.goto(url);
  const pages = [page, other];
  for (const tab of pages) await status(tab, "signedIn");
  await until(() => curfew.connections.size === 2, "the sockets of both");

  const { accessToken: token } = await login(curfew.url, credentials.email);
  await askData(curfew.url, "mutation { endOtherSessions { endedSessions } }", { token });

  for (const tab of pages) {
    await status(tab, "signedOut");
    await tab.waitForFunction(() => window.closes.length > 0);
    expect(await tab.evaluate(() => [window.states.at(-1), window.closes])).toEqual([
      { status: "signedOut", reason: "ENDED", endReason: "ENDED_BY_USER" },
      ["4401 SESSION_ENDED"],
    ]);
    // The first tab may have started signed out, without a reason.
    const signOuts = () =>
      window.states.filter((state) => state.status === "signedOut" && state.reason !== undefined);
    expect(await tab.evaluate(signOuts)).toHaveLength(1);
  }
  expect(browser.pageErrors).toEqual([]);
});

async function status(page: Page, expected: string): Promise<void> {
  await page.waitForFunction((wanted) => window.session?.state.status === wanted, expected);
}

/** Serves a one-page app that subscribes while signed in. Its client is the source without types. */
async function serveApp() {
  const script = `
    import { createClient } from "/graphql-ws/client.js";
    import { createSession } from "/client/index.ts";
    import { createSocketClient } from "/client/graphql-ws.ts";
    window.session = createSession({ url: decodeURIComponent(location.search.slice(1)) });
    window.closes = [];
    window.states = [];
    session.subscribe((state) => window.states.push(state));
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
    const isOurs = folder === "client" || folder === "protocol";
    const directory = isOurs ? `../../src/${folder}/` : "../../node_modules/graphql-ws/dist/";
    const source = await readFile(new URL(`${directory}${file}`, import.meta.url), "utf8");
    return ["text/javascript", isOurs ? stripTypeScriptTypes(source) : source];
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
