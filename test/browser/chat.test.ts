/** The example chat in a real browser: tabs with Apollo Client and urql share a session on a failing network. */
import type { BrowserContext, Page } from "playwright-core";
import { expect, it } from "vitest";
import { openBrowser } from "../helpers/browser.ts";
import { startChat } from "../helpers/chat.ts";
import { newFolder } from "../helpers/command.ts";
import { newEmail, password } from "../helpers/http.ts";
import { startHttpProxy, type FaultOf } from "../helpers/http-proxy.ts";
import { eventTimeout } from "../helpers/timeouts.ts";
import { until } from "../helpers/until.ts";
import { Random } from "../faults/random.ts";

/** A page of the chat, and its sockets. */
class Tab {
  readonly page: Page;
  opened = 0;
  open = 0;
  /** Errors that the page threw. */
  readonly errors: string[] = [];
  /** The browser's console errors: also failed requests and violations of the Content-Security-Policy. */
  readonly consoleErrors: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", ({ message }) => this.errors.push(message));
    page.on("console", (line) => {
      if (line.type() === "error") this.consoleErrors.push(line.text());
    });
    page.on("websocket", (socket) => {
      this.opened += 1;
      this.open += 1;
      socket.once("close", () => (this.open -= 1));
    });
  }

  static async at(context: BrowserContext, url: string): Promise<Tab> {
    const tab = new Tab(await context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  get log() {
    return this.page.getByRole("log");
  }

  async register(email: string): Promise<void> {
    await this.page.getByLabel("E-mail").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Create account" }).click();
    await this.log.waitFor();
  }

  async say(text: string): Promise<void> {
    await this.page.getByRole("textbox").fill(text);
    await this.page.getByRole("button", { name: "Send" }).click();
  }

  async hears(text: string): Promise<void> {
    await this.log.getByText(text, { exact: true }).waitFor();
  }

  async shows(text: string): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }
}

/**
 * Loses the response to the first renewal of each session, and a random fifth of the others; delays a random
 * third. It never loses two in a row of one session: a loss that outlasts the grace period ends the session.
 */
class Network {
  renewals = 0;
  lost = 0;
  readonly #random: Random;
  /** Hosts whose last response was lost. */
  readonly #lastLost = new Set<string>();
  readonly #hosts = new Set<string>();

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  readonly faultOf: FaultOf = ({ host, body }) => {
    if (!body.includes("renew(")) return undefined;
    this.renewals += 1;
    const isFirst = !this.#hosts.has(host);
    this.#hosts.add(host);
    const lost = isFirst || (this.#random.next() < 0.2 && !this.#lastLost.has(host));
    if (lost) {
      this.lost += 1;
      this.#lastLost.add(host);
    } else this.#lastLost.delete(host);
    return { lost, delay: this.#random.next() < 0.3 ? this.#random.between(0, 1_000) : 0 };
  };
}

/** Opens three tabs of one session per origin: Apollo Client, urql, and Apollo Client again. */
async function openTabs(context: BrowserContext, origin: string): Promise<Tab[]> {
  const first = await Tab.at(context, `${origin}/apollo.html`);
  await first.register(newEmail());
  const tabs = [first, await Tab.at(context, `${origin}/urql.html`)];
  tabs.push(await Tab.at(context, `${origin}/apollo.html`));
  for (const tab of tabs) await tab.log.waitFor();
  await until(() => tabs.every(({ open }) => open === 1), "a socket of each tab");
  return tabs;
}

it("tabs of one session renew it once per period, even if responses are lost or late", async () => {
  // The client retries a renewal after 3 s without a response. A shorter grace period treats that as reuse.
  const accessTokenTtl = 10_000;
  const renewalGrace = 9_000;
  const sessions = 6;
  // `RENEWALS=100` in the environment sets the renewals of each session.
  const renewalsPerSession = Number(process.env["RENEWALS"] ?? 5);
  await using folder = await newFolder();
  await using chat = await startChat({
    DATA_DIR: folder.path,
    ACCESS_TOKEN_TTL: `${accessTokenTtl}ms`,
    RENEWAL_GRACE: `${renewalGrace}ms`,
  });
  const network = new Network(7);
  await using proxy = await startHttpProxy(chat.port, network.faultOf);
  await using browser = await openBrowser();
  const context = browser.page.context();
  const origins = Array.from(
    { length: sessions },
    (_, i) => `http://s${i}.localhost:${proxy.port}`,
  );
  // One after the other: eighteen pages at once on a slow machine load for longer than an access token lasts.
  const groups: Tab[][] = [];
  for (const origin of origins) groups.push(await openTabs(context, origin));

  const bySession = () => [
    ...Map.groupBy(chat.facts("renewal"), (fact) => fact.fingerprint).values(),
  ];
  await until(
    () =>
      bySession().length === sessions &&
      bySession().every(({ length }) => length >= renewalsPerSession),
    "the renewals",
    renewalsPerSession * accessTokenTtl * 3 + eventTimeout,
  );

  const { renewals, lost } = network;
  const completed = renewals - lost - proxy.abandoned;
  // Renewals in flight are in neither count.
  expect(Math.abs(chat.facts("renewal").length - completed)).toBeLessThanOrEqual(sessions);
  expect(lost).toBeGreaterThanOrEqual(sessions);
  // A period is at least 0.7 of the lifetime, except the first, which is shorter after a slow login. If each tab
  // renewed by itself, a period would have three renewals.
  for (const facts of bySession()) {
    const time = (facts.at(-1)?.time ?? 0) - (facts[0]?.time ?? 0);
    expect(time).toBeGreaterThan((facts.length - 2) * 0.6 * accessTokenTtl);
  }
  for (const [i, [first, ...others]] of groups.entries()) {
    await first?.say(`still here ${i}`);
    for (const tab of others) await tab.hears(`still here ${i}`);
  }
  expect(chat.facts("login")).toHaveLength(sessions);
  expect([...chat.facts("end"), ...chat.facts("renewalRefused")]).toEqual([]);
  expect(groups.flat().flatMap(({ errors }) => errors)).toEqual([]);
}, 1_000_000);

it("a session that ends in one tab closes the sockets of all three tabs, and none reconnects", async () => {
  await using folder = await newFolder();
  await using chat = await startChat({ DATA_DIR: folder.path });
  await using browser = await openBrowser();
  const tabs = await openTabs(browser.page.context(), `http://127.0.0.1:${chat.port}`);
  const [apollo, urql] = tabs;

  await urql?.page.getByRole("button", { name: "Sign out" }).click();
  for (const tab of tabs) await tab.shows("You have signed out, in all tabs.");
  await until(() => tabs.every(({ open }) => open === 0), "no socket");

  await apollo?.register(newEmail());
  for (const tab of tabs) await tab.log.waitFor();
  await until(() => tabs.every(({ open }) => open === 1), "a socket of each tab");
  // The login opened one socket in each tab. An earlier reconnect would have opened more.
  expect(tabs.map(({ opened }) => opened)).toEqual([2, 2, 2]);

  await apollo?.page.getByRole("button", { name: /^End the session of Chrome/ }).click();
  for (const tab of tabs) await tab.shows("Your session was ended from another device.");
  await until(() => tabs.every(({ open }) => open === 0), "no socket");
  expect(chat.facts("end")).toMatchObject([{ reason: "LOGOUT" }, { reason: "ENDED_BY_USER" }]);
  expect(tabs.flatMap(({ errors, consoleErrors }) => [...errors, ...consoleErrors])).toEqual([]);
});

it("a server restart loses no subscription and no message", async () => {
  await using folder = await newFolder();
  const env = { DATA_DIR: folder.path };
  await using first = await startChat(env);
  await using browser = await openBrowser();
  const tabs = await openTabs(browser.page.context(), `http://127.0.0.1:${first.port}`);
  await tabs[0]?.say("before");
  for (const tab of tabs) await tab.hears("before");

  await using opened = new AsyncDisposableStack();
  let chat = first;
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await chat.stop(signal);
    for (const tab of tabs) await tab.shows("The connection is lost.");
    chat = opened.use(await startChat({ ...env, PORT: String(first.port) }));
    // Over HTTP, which works before the sockets reconnect.
    await tabs[1]?.say(`after ${signal}`);
    for (const tab of tabs) await tab.hears(`after ${signal}`);
    expect(chat.facts("login")).toEqual([]);
  }
  expect(tabs.flatMap(({ errors }) => errors)).toEqual([]);
});
