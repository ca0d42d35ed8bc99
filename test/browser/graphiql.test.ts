import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { openBrowser } from "../helpers/browser.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { logout } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";

it("GraphiQL signs in, asks with the token and watches until its session ends", async () => {
  await using curfew = await startCurfew({ graphiql: true });
  await using browser = await openBrowser();
  const { page, strangers, faults } = browser;
  const opened = await page.goto(curfew.url);
  // With these rules, which it keeps: else there were a fault, or something came from elsewhere.
  expect(opened?.headers()["content-security-policy"]).toMatch(
    /^default-src 'none';.* frame-ancestors 'none'; script-src 'sha256-[^' ]+'; worker-src blob:;/,
  );

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
