/** What a real browser sends for a page of another site, and what becomes of it. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { openBrowser } from "../helpers/browser.ts";
import { startCurfew } from "../helpers/curfew.ts";

/** An app that counts what was run. */
function countingApp() {
  const runs: string[] = [];
  const run = (what: string) => () => {
    runs.push(what);
    return "done";
  };
  const typeDefs = `
    type Query { ask: String! }
    type Mutation { change: String! }
    type Subscription { follow: String! }
  `;
  const resolvers = {
    Query: { ask: run("ask") },
    Mutation: { change: run("change") },
    Subscription: {
      follow: {
        subscribe: async function* () {
          yield { follow: run("follow")() };
        },
      },
    },
  };
  return { runs, schema: { typeDefs, resolvers } };
}

/** An empty page, at any name under `.test`. */
async function servePage() {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>A page</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => server.close().closeAllConnections() };
}

/** Runs in the page: everything that a page can send without being asked, and what it sees of it. */
async function callAll(url: string): Promise<Record<string, string>> {
  const generationAtRead = (promise: Promise<unknown>) => promise.then(String, () => "nothing");
  const mutation = JSON.stringify({ query: "mutation { change }" });
  const post = (type: string, body: string, mode: RequestMode) =>
    fetch(url, { method: "POST", mode, headers: { "content-type": type }, body });
  const form = "query=mutation{change}";
  const submitted = () => {
    const frame = Object.assign(document.createElement("iframe"), { name: "target" });
    document.body.append(frame);
    const element = Object.assign(document.createElement("form"), {
      action: url,
      method: "POST",
      target: "target",
    });
    const field = Object.assign(document.createElement("input"), { name: "query" });
    field.value = "mutation { change }";
    element.append(field);
    document.body.append(element);
    return new Promise((resolve) => {
      frame.addEventListener("load", () => resolve("a frame"));
      element.submit();
    });
  };
  const streamed = () =>
    new Promise((resolve, reject) => {
      const stream = new EventSource(`${url}?query=subscription{follow}`);
      stream.addEventListener("next", () => (stream.close(), resolve("an event")));
      stream.addEventListener("error", () => (stream.close(), reject(new Error())));
    });
  const connected = () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws");
      socket.addEventListener("open", () => (socket.close(), resolve("a socket")));
      socket.addEventListener("error", () => reject(new Error()));
    });
  return {
    text: await generationAtRead(post("text/plain", mutation, "no-cors").then(({ type }) => type)),
    form: await generationAtRead(
      post("application/x-www-form-urlencoded", form, "no-cors").then((r) => r.type),
    ),
    submitted: await generationAtRead(submitted()),
    asked: await generationAtRead(
      post("application/json", mutation, "cors").then((answer) => answer.text()),
    ),
    stream: await generationAtRead(streamed()),
    socket: await generationAtRead(connected()),
  };
}

/** Runs in the page, too. */
async function asImage(url: string): Promise<void> {
  await fetch(url, { mode: "no-cors" }).catch(() => {});
}

describe.each([
  // Where browsers send Fetch Metadata, and where they do not: plain HTTP to another machine.
  ["127.0.0.1", true],
  ["api.test", false],
])("on a server at %s", (host, hasMetadata) => {
  it("a page of another site runs nothing and reads nothing", async () => {
    const app = countingApp();
    await using curfew = await startCurfew({ ...app.schema, graphiql: true });
    const url = curfew.url.replace("127.0.0.1", host);
    using pages = await servePage();
    await using browser = await openBrowser();
    const { page } = browser;
    await page.goto(`http://evil.test:${pages.port}`);
    expect(await page.evaluate(callAll, url)).toEqual({
      text: "nothing",
      form: "nothing",
      // It cannot look into it.
      submitted: "a frame",
      asked: "nothing",
      stream: "nothing",
      socket: "nothing",
    });
    if (hasMetadata) await page.evaluate(asImage, `${url}?query={ask}`);
    expect(app.runs).toEqual([]);
    const refused = curfew.log.filter(({ event }) => event === "refused");
    expect(new Set(refused.map(({ reason }) => reason))).toEqual(new Set(["ORIGIN"]));
    expect(refused.map(({ transport }) => transport)).toContain("socket");
  });

  it("a page of a listed origin runs what it asks for", async () => {
    const app = countingApp();
    using pages = await servePage();
    const origin = `http://app.test:${pages.port}`;
    await using curfew = await startCurfew({ ...app.schema, allowedOrigins: [origin] });
    await using browser = await openBrowser();
    await browser.page.goto(origin);
    const url = curfew.url.replace("127.0.0.1", host);
    expect(await browser.page.evaluate(callAll, url)).toMatchObject({
      asked: '{"data":{"change":"done"}}',
      stream: "an event",
      socket: "a socket",
    });
  });

  it("a link of another site opens GraphiQL, whose page may call", async () => {
    const app = countingApp();
    await using curfew = await startCurfew({ ...app.schema, graphiql: true });
    const url = curfew.url.replace("127.0.0.1", host);
    using pages = await servePage();
    await using browser = await openBrowser();
    const { page, pageErrors } = browser;
    await page.goto(`http://evil.test:${pages.port}`);
    await page.evaluate((link) => location.assign(link), `${url}?query={ask}`);
    await page.getByRole("button", { name: "Execute query" }).waitFor();
    expect(app.runs).toEqual([]);
    // A header that browsers heed on TLS and on their own machine only, as they say.
    expect(
      pageErrors.filter((fault) => !fault.startsWith("The Cross-Origin-Opener-Policy")),
    ).toEqual([]);
    expect(await page.evaluate(callAll, url)).toMatchObject({
      asked: '{"data":{"change":"done"}}',
      stream: "an event",
      socket: "a socket",
    });
  });
});
