/** Drives the explorer in a browser: the session panel, the editors and the results. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { openBrowser } from "./browser.ts";
import { password } from "./http.ts";

/** Opens the explorer in a new browser. */
export async function openExplorer(url: string, colorScheme: "light" | "dark" = "light") {
  const browser = await openBrowser();
  const { page } = browser;
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
  await page.goto(url);
  await page.getByRole("button", { name: "Execute query" }).waitFor();
  const panel = page.getByRole("region", { name: "Session", exact: true });
  await panel.waitFor();
  return { ...browser, panel };
}

export type Explorer = Awaited<ReturnType<typeof openExplorer>>;

export async function fillIn({ panel }: Explorer, email: string, word = password): Promise<void> {
  await panel.getByLabel("E-mail").fill(email);
  await panel.getByLabel("Password").fill(word);
  await panel.getByLabel("Password").press("Enter");
}

export async function register(explorer: Explorer, email: string): Promise<void> {
  await explorer.panel.getByRole("button", { name: "New account" }).click();
  await fillIn(explorer, email);
  await explorer.panel.getByText(email).waitFor();
}

/** Runs one of the operations in the editor. */
export async function run(page: Page, operation: string): Promise<void> {
  await page.getByRole("button", { name: "Execute query" }).click();
  await page.getByRole("menuitem", { name: operation, exact: true }).click();
}

/** The result, once it contains the word; without whitespace, because the pane wraps long lines. */
export async function resultText(page: Page, word: string): Promise<string> {
  const pane = page.locator(".result-window", { hasText: word });
  await pane.waitFor();
  return (await pane.locator(".view-lines").innerText()).replaceAll(/\s/g, "");
}

/** Everything that the browser stores for the page, and the page's URL. */
export async function storedByPage(page: Page): Promise<string> {
  return page.evaluate(
    () =>
      JSON.stringify(localStorage) +
      JSON.stringify(sessionStorage) +
      document.cookie +
      location.href,
  );
}

/** The serious and critical violations that axe-core finds on the page: rule and elements. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as any).axe.run() as Promise<any>);
  return violations
    .filter(({ impact }: any) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }: any) => nodes.map(({ target }: any) => `${id}: ${target.join(" ")}`));
}
