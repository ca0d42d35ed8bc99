/** The explorer in a real browser: sign-up, operations, session end, storage and accessibility. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import {
  resultText,
  fillIn,
  storedByPage,
  openExplorer,
  register,
  run,
  accessibilityFaults,
} from "../helpers/explorer.ts";
import { ask, login, newEmail, password } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";

const token = /curfew_(?:access|renewal)_/;

it("the explorer signs up, queries, subscribes, renews, and shows why its session ended", async () => {
  await using curfew = await startCurfew({
    graphiql: true,
    // The page renews in its last fifth.
    accessTokenTtl: 10_000,
    renewalGrace: 9_000,
  });
  const email = newEmail();
  await using explorer = await openExplorer(curfew.url);
  const { page, panel, externalRequests, pageErrors } = explorer;

  // Each problem is shown at its field, and the first field with a problem has the focus.
  await panel.getByRole("button", { name: "New account" }).click();
  await fillIn(explorer, "no-address", "short");
  await panel.getByText("Use at least 8 characters.").waitFor();
  expect(await panel.getByLabel("E-mail").getAttribute("aria-invalid")).toBe("true");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("name"))).toBe("email");
  const field = panel.getByLabel("Password");
  const attributes = ["type", "autocomplete"].map((name) => field.getAttribute(name));
  expect(await Promise.all(attributes)).toEqual(["password", "new-password"]);
  await fillIn(explorer, email);
  await panel.getByText(email).waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Session");
  await panel.getByText("Connected").waitFor();

  await run(page, "WhoAmI");
  expect(await resultText(page, "sessions")).toContain(`"email":"${email}"`);

  // The panel and the editor share one socket.
  await run(page, "Watch");
  expect(await resultText(page, "RENEWED")).toContain('"type":"RENEWED"');
  await panel.getByText(", renewed").waitFor();
  expect(curfew.connections.size).toBe(1);
  expect(await panel.locator("dl").innerText()).toMatch(/Connected\s+Last close\s+None/);

  await using other = await openExplorer(curfew.url);
  await fillIn(other, email);
  await panel.getByText("My sessions2").waitFor();
  const end = { name: "End the session of Chrome on Linux", exact: true };
  await other.panel.getByRole("button", end).click();

  await panel
    .getByText("You were signed out: this session was ended from another device")
    .waitFor();
  await panel.getByText("4401 SESSION_ENDED").waitFor();
  expect(await resultText(page, "errors")).toContain('"reason":"ENDED"');
  await page.getByRole("button", { name: "Execute query" }).waitFor();
  await other.panel.getByText("My sessions1").waitFor();
  expect(await other.panel.getByText("Sign out").isVisible()).toBe(true);

  await fillIn(explorer, email);
  await panel.getByText("My sessions2").waitFor();
  await run(page, "WhoAmI");
  expect(await resultText(page, "sessions")).toContain(email);
  await panel.getByRole("button", { name: "Sign out" }).click();
  await panel.getByText("You signed out.").waitFor();
  await other.panel.getByText("My sessions1").waitFor();

  expect(await storedByPage(page)).toContain("tabState");
  expect(await storedByPage(page)).not.toMatch(token);
  expect(externalRequests).toEqual([]);
  expect([...pageErrors, ...other.pageErrors]).toEqual([]);
});

it("the explorer stays signed in during a server restart, and shows the reconnect", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "curfew-explorer-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const first = await startCurfew({ graphiql: true, dataDir, drainTime: 0 });
  cleanup.defer(() => first.close());
  await using explorer = await openExplorer(first.url);
  const { page, panel } = explorer;
  const email = newEmail();
  await register(explorer, email);
  await panel.getByText("Connected").waitFor();

  await first.close();
  await panel.getByText("1012 SERVICE_RESTART").waitFor();
  await panel.getByText("Closed, reconnecting…").or(panel.getByText("Connecting…")).waitFor();
  expect(await panel.getByText(email).isVisible()).toBe(true);

  const port = Number(new URL(first.url).port);
  await using second = await startCurfew({ graphiql: true, dataDir, port });
  await panel.getByText("Connected").waitFor();
  await until(() => second.connections.size === 1, "the socket");
  await run(page, "WhoAmI");
  expect(await resultText(page, "sessions")).toContain(email);
});

it("the explorer stores typed text, but no password and no token", async () => {
  await using curfew = await startCurfew({ graphiql: true });
  await using explorer = await openExplorer(curfew.url);
  const { page } = explorer;
  const text = `mutation SignUp { register(email: "eve@example.com", password: "${password}") { __typename } }
  # curfew_renewal_abcdefgh`;
  await page.locator(".graphiql-query-editor .monaco-editor").click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(text);
  // GraphiQL stores its tabs a moment after each change.
  await page.waitForFunction(() => localStorage["graphiql:tabState"]?.includes("eve@example.com"));
  expect(await storedByPage(page)).not.toContain(password);
  expect(await storedByPage(page)).not.toMatch(token);
  await page.reload();
  const editor = page.locator(".graphiql-query-editor .view-lines", { hasText: "eve@" });
  await editor.waitFor();
  expect((await editor.innerText()).replaceAll(/\s/g, "")).toContain('password:"")');
  // One tab, as before.
  expect(await page.locator(".graphiql-tab").count()).toBe(1);
});

const phone =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148 Safari/604.1";
/** `npm run screenshots` writes screenshots to this folder. */
const folder = process.env["SCREENSHOTS"];
const shown = new Set(["signed-in", "ended"]);
const widths = [1280, 390] as const;

describe.each(["light", "dark"] as const)("the explorer in the %s theme", (colorScheme) => {
  it("has no serious accessibility violation and fits any screen", async () => {
    await using curfew = await startCurfew({ graphiql: true });
    await using explorer = await openExplorer(curfew.url, colorScheme);
    const { page, panel } = explorer;

    /** Checks the page at each screen width. */
    async function checkScreens(state: string): Promise<void> {
      for (const width of widths) {
        await page.setViewportSize({ width, height: width > 800 ? 800 : 844 });
        // The editors resize in the next frames.
        await page.evaluate(
          () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
        );
        expect(await accessibilityFaults(page), `${state} at ${width}`).toEqual([]);
        const { scrollWidth, clientWidth } = await page.evaluate(() => {
          const { scrollWidth: content, clientWidth: viewport } = document.documentElement;
          return { scrollWidth: content, clientWidth: viewport };
        });
        expect(scrollWidth, `${state} at ${width}`).toBeLessThanOrEqual(clientWidth);
        if (folder === undefined || !shown.has(state)) continue;
        await page.screenshot({ path: join(folder, `${state}-${colorScheme}-${width}.png`) });
      }
      await page.setViewportSize({ width: 1280, height: 800 });
    }

    await fillIn(explorer, "ada@example.com", "a wrong password");
    await panel.getByText("The e-mail address or the password is wrong.").waitFor();
    await checkScreens("refused");
    await register(explorer, "ada@example.com");
    await panel.getByText("Connected").waitFor();
    const { accessToken } = await login(curfew.url, "ada@example.com", { "user-agent": phone });
    await panel.getByText("Safari on iOS").waitFor();
    await run(page, "WhoAmI");
    await resultText(page, "sessions");
    await checkScreens("signed-in");
    await run(page, "Watch");
    await page.getByRole("button", { name: "Hide Session" }).click();
    await checkScreens("editors");
    await page.getByRole("button", { name: "Show Session" }).click();
    await ask(curfew.url, "mutation { endOtherSessions { endedSessions } }", {
      token: accessToken,
    });
    await panel.getByText("You were signed out: this session was ended").waitFor();
    await resultText(page, "SESSION_ENDED");
    await page.mouse.click(1_000, 790);
    await checkScreens("ended");
    expect(explorer.pageErrors).toEqual([]);
  });
});
