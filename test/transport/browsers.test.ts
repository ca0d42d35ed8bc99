/** Requests of other origins' pages, on every entry point, and the headers of every response. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

/** Sends exactly these headers, which `fetch` would not allow. */
async function send(
  url: string,
  { method = "GET", path = "/graphql", headers = {}, body = "" }: Sent,
) {
  const request = httpRequest(url, { method, path, headers }).end(method === "POST" ? body : "");
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const { statusCode: status = 0, headers: answered } = response;
  return { status, headers: answered, body: await text(response) };
}

const mutation = JSON.stringify({ query: `mutation { say(text: "hello") }` });
const json = "application/json";
const html = "text/html,application/xhtml+xml,*/*;q=0.8";

/** Each request executes something without user interaction. */
const ways: readonly (readonly [string, Sent])[] = [
  [
    "JSON",
    { method: "POST", headers: { "content-type": json, "content-length": mutation.length } },
  ],
  [
    "JSON to the engine's adapter",
    { method: "POST", path: "/graphql?", headers: { "content-type": json } },
  ],
  [
    "a form",
    {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: `query=${encodeURIComponent('mutation{say(text:"hello")}')}`,
    },
  ],
  ["a query by GET", { path: "/graphql?query={own}" }],
  ["a query by GET, at the end of another path", { path: "/x/../graphql/?query={own}" }],
  [
    "a stream by GET",
    { path: "/graphql?query=subscription{said}", headers: { accept: "text/event-stream" } },
  ],
];

const own = "http://curfew.test";
const listed = "https://app.test";
/** Headers as a browser sends them, and whether that page may call. */
const pages: readonly (readonly [string, OutgoingHttpHeaders, boolean])[] = [
  ["no page", {}, true],
  ["the address bar", { "sec-fetch-site": "none" }, true],
  ["the server's own page", { "sec-fetch-site": "same-origin", origin: own }, true],
  [
    "the server's own page, under a proxy's host",
    { "sec-fetch-site": "same-origin", origin: "https://public.test" },
    true,
  ],
  [
    "the server's own page that hides its address",
    { "sec-fetch-site": "same-origin", origin: "null" },
    true,
  ],
  ["a listed page", { "sec-fetch-site": "cross-site", origin: listed }, true],
  [
    "a page of another site",
    { "sec-fetch-site": "cross-site", origin: "https://evil.test" },
    false,
  ],
  ["a page of another site, as an image", { "sec-fetch-site": "cross-site" }, false],
  [
    "a page on a sibling domain",
    { "sec-fetch-site": "same-site", origin: "http://evil.curfew.test" },
    false,
  ],
  [
    "the same host over plain HTTP, although the server uses TLS",
    { "sec-fetch-site": "cross-site", origin: own },
    false,
  ],
  ["a sandboxed page", { "sec-fetch-site": "cross-site", origin: "null" }, false],
  ["an unknown value", { "sec-fetch-site": "same-origin, cross-site" }, false],
  ["an old browser's own page", { origin: own }, true],
  ["an old browser's listed page", { origin: listed }, true],
  ["an old browser's page of another site", { origin: "https://evil.test" }, false],
  ["an old browser's page on another port", { origin: `${own}:8080` }, false],
  ["an old browser's sandboxed page", { origin: "null" }, false],
];

describe.each(ways)("%s", (_, way) => {
  it.each(pages)("from %s", async (_page, pageHeaders, isAllowed) => {
    const app = testApp();
    await using curfew = await startCurfew({ ...app.schema, allowedOrigins: [listed] });
    const { accessToken, sessionId } = await register(curfew.url);
    const headers = {
      host: "curfew.test",
      // If it is allowed, a response begins; a stream would not end by itself.
      authorization: way.path?.includes("subscription") === true ? "" : accessToken,
      ...way.headers,
      ...pageHeaders,
    };
    const answer = await send(curfew.url, { body: mutation, ...way, headers });
    if (isAllowed) {
      expect(answer.status).toBe(200);
      expect(answer.body).toMatch(
        way.method === "POST" ? '{"say":1}' : way.path?.includes("own") ? sessionId : "MISSING",
      );
      return;
    }
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body).errors).toEqual([
      { message: expect.any(String), extensions: { code: "FORBIDDEN_ORIGIN" } },
    ]);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
    expect(app.calls).toEqual([]);
    const refused = curfew.log.filter(({ event }) => event === "refused");
    expect(refused).toMatchObject([{ transport: "http", reason: "ORIGIN", address: "127.0.0.1" }]);
  });
});

describe("a page of another site", () => {
  const headers = { "sec-fetch-site": "cross-site", origin: "https://evil.test" };
  const navigation = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", accept: html };

  it("may link to GraphiQL, which does not execute the query by itself", async () => {
    await using curfew = await startCurfew({ ...testApp().schema, graphiql: true });
    for (const path of ["/graphql", "/graphql?query={hello}"]) {
      const answer = await send(curfew.url, { path, headers: navigation });
      expect(answer.status).toBe(200);
      expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
    }
  });

  it("may not link to a query at another path, which would execute it", async () => {
    await using curfew = await startCurfew({ ...testApp().schema, graphiql: true });
    for (const path of ["/graphql/", "/graphql/.", "/health/../graphql"]) {
      const link = { path: `${path}?query={hello}`, headers: navigation };
      expect((await send(curfew.url, link)).status, path).toBe(403);
    }
  });

  it("may not link to a query if GraphiQL is disabled", async () => {
    await using curfew = await startCurfew({ ...testApp().schema, graphiql: false });
    const path = "/graphql?query={hello}";
    expect((await send(curfew.url, { path, headers: navigation })).status).toBe(403);
    expect((await send(curfew.url, { path, headers: { accept: html } })).status).toBe(200);
  });

  it("is refused by preflight, but may request /health", async () => {
    await using curfew = await startCurfew();
    const preflight = { ...headers, "access-control-request-method": "POST" };
    const answer = await send(curfew.url, { method: "OPTIONS", headers: preflight });
    expect(answer.status).toBe(204);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
    expect((await send(curfew.url, { path: "/health", headers })).status).toBe(200);
  });
});

it("every response has the security headers for private data", async () => {
  await using curfew = await startCurfew({ ...testApp().schema, graphiql: true });
  const post = { method: "POST", headers: { "content-type": json } };
  const answers: readonly (readonly [number, Sent])[] = [
    [200, { ...post, body: `{"query":"{hello}"}` }],
    [
      200,
      { ...post, body: `{"query":"{hello}"}`, headers: { ...post.headers, "content-length": 19 } },
    ],
    [200, { path: "/graphql?query={hello}" }],
    [200, { path: "/graphql?query=subscription{said}", headers: { accept: "text/event-stream" } }],
    [200, { path: "/health" }],
    [200, { path: "/ready" }],
    [
      204,
      { method: "OPTIONS", headers: { origin: listed, "access-control-request-method": "POST" } },
    ],
    [400, { ...post, body: "{" }],
    [400, { headers: { host: "a b" } }],
    [403, { path: "/graphql?query={hello}", headers: { origin: "null" } }],
    [404, { path: "/nothing" }],
    [405, { method: "DELETE" }],
    [406, { ...post, body: `{"query":"{hello}"}`, headers: { ...post.headers, accept: "x/y" } }],
    [413, { ...post, body: " ".repeat(256 * 1024 + 1) }],
    [415, { ...post, headers: { "content-type": "text/plain" }, body: "{hello}" }],
    [200, { headers: { accept: html } }],
  ];
  for (const [status, sent] of answers) {
    const answer = await send(curfew.url, sent);
    const what = JSON.stringify({ ...sent, body: undefined });
    expect(answer.status, what).toBe(status);
    expect(answer.headers, what).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
      vary: expect.stringContaining("Origin"),
      "content-security-policy": expect.stringMatching(
        /^default-src 'none'; base-uri 'none';(.*;)? frame-ancestors 'none'/,
      ),
    });
    const isPage = answer.headers["content-type"]?.startsWith("text/html") === true;
    expect(isPage, what).toBe(sent.headers?.["accept"] === html);
    expect(answer.headers["cross-origin-opener-policy"]).toBe(isPage ? "same-origin" : undefined);
    expect(answer.headers).not.toHaveProperty("x-powered-by");
    expect(answer.headers).not.toHaveProperty("server");
  }
});
