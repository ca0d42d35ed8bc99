/** Starts a headless Chromium for tests that need a real browser. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { eventTimeout } from "./timeouts.ts";

/** Whether the name resolves to this machine (see `--host-resolver-rules`). */
function isHere(hostname: string): boolean {
  return hostname === "127.0.0.1" || /\.(test|localhost)$/.test(hostname);
}

/** Opens a browser that reaches only this machine; records blocked requests and the page's errors. */
export async function openBrowser() {
  await using opened = new AsyncDisposableStack();
  const profile = await mkdtemp(join(tmpdir(), "curfew-browser-"));
  opened.defer(() => rm(profile, { recursive: true, force: true }));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findOnPath("chromium"),
    timeout: eventTimeout,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP *.test 127.0.0.1, MAP *.localhost 127.0.0.1",
    ],
  });
  opened.defer(() => context.close());
  context.setDefaultTimeout(eventTimeout);
  const page = await context.newPage();
  const externalRequests: string[] = [];
  const pageErrors: string[] = [];
  await context.route("**", (route) => {
    const { protocol, hostname } = new URL(route.request().url());
    if (isHere(hostname) || protocol === "blob:" || protocol === "data:") return route.continue();
    externalRequests.push(route.request().url());
    return route.abort();
  });
  page.on("pageerror", (error) => pageErrors.push(error.message));
  // Includes Content-Security-Policy violations.
  page.on("console", (message) => {
    if (message.type() === "error") pageErrors.push(message.text());
  });
  const close = opened.move();
  return { page, externalRequests, pageErrors, [Symbol.asyncDispose]: () => close.disposeAsync() };
}

function findOnPath(program: string): string {
  const files = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, program));
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${program} is not on the PATH`);
  return found;
}
