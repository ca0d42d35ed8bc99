import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { logout } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";

it("GraphiQL signs in, asks with the token and watches until its session ends", async () => {
  await using curfew = await startCurfew({ graphiql: true });
  await using browser = await openBrowser();
  const { page, strangers, faults } = browser;
  await page.goto(curfew.url);

  await run(page, "Register");
  const token = /curfew_access_[\w-]{88}/.exec(await answer(page, "curfew_access_"))?.[0];
  if (token === undefined) throw new Error("No access token is shown");

  await run(page, "WhoAmI");
  expect(await answer(page, "viewer")).toContain('"viewer":null');

  await page.getByRole("button", { name: "Headers" }).click();
  await page.locator(".graphiql-editor-tool").click();
  await page.keyboard.insertText(`{ "Authorization": "Bearer ${token}" }`);
  await run(page, "WhoAmI");
  expect(await answer(page, "sessions")).toContain('"email":"ada@example.com"');

  await run(page, "Watch");
  await until(() => curfew.connections.size === 1, "the subscription");
  expect(await logout(curfew.url, token)).toBe(1);
  expect(await answer(page, "errors")).toContain('"reason":"ENDED"');
  await page.getByRole("button", { name: "Execute query" }).waitFor();

  // It keeps its tabs a moment after each change.
  await page.waitForFunction(() =>
    localStorage["graphiql:tabState"].includes('"operationName":"Watch"'),
  );
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain(token);
  expect(strangers).toEqual([]);
  expect(faults).toEqual([]);
}, 60_000);

/** A browser that reaches nothing but the server, and what was tried besides or went wrong. */
async function openBrowser() {
  await using opened = new AsyncDisposableStack();
  const profile = await mkdtemp(join(tmpdir(), "curfew-browser-"));
  opened.defer(() => rm(profile, { recursive: true, force: true }));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findOnPath("chromium"),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  opened.defer(() => context.close());
  const page = await context.newPage();
  const strangers: string[] = [];
  const faults: string[] = [];
  await context.route("**", (route) => {
    const { protocol, hostname } = new URL(route.request().url());
    if (hostname === "127.0.0.1" || protocol === "blob:" || protocol === "data:")
      return route.continue();
    strangers.push(route.request().url());
    return route.abort();
  });
  page.on("pageerror", (error) => faults.push(error.message));
  const close = opened.move();
  return { page, strangers, faults, [Symbol.asyncDispose]: () => close.disposeAsync() };
}

function findOnPath(program: string): string {
  const files = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, program));
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${program} is not on the PATH`);
  return found;
}

async function run(page: Page, operation: string): Promise<void> {
  await page.getByRole("button", { name: "Execute query" }).click();
  await page.getByRole("menuitem", { name: operation, exact: true }).click();
}

/** The answer, as soon as it has that word in it; without its spaces, since the pane wraps long lines. */
async function answer(page: Page, word: string): Promise<string> {
  const pane = page.locator(".result-window", { hasText: word });
  await pane.waitFor();
  return (await pane.locator(".view-lines").innerText()).replaceAll(/\s/g, "");
}
