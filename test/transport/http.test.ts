/** GraphQL over HTTP: authentication, and invalid requests. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { mintToken, readToken } from "../../src/session/token.ts";
import { testApp } from "../helpers/app.ts";
import { fakeClock, secrets, startCurfew } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, password, register, renew } from "../helpers/http.ts";
import { breakable, intercept, memoryStore, memoryPubSub } from "../helpers/backends.ts";

/** Resolves to the reason for which a protected field is refused. */
async function refusal(url: string, token?: string) {
  const { status, errors } = await ask(url, "{ own }", { token });
  expect(status).toBe(200);
  expect(errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
  return errors?.[0]?.extensions?.["reason"];
}

async function post(url: string, body: BodyInit | undefined, contentType = "application/json") {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": contentType },
    ...(body !== undefined && { body }),
  });
  return { status: response.status, text: await response.text() };
}

describe("the token of a request", () => {
  it("authenticates it, with or without Bearer, by POST and by GET", async () => {
    await using curfew = await startCurfew(testApp().schema);
    const { accessToken, sessionId } = await register(curfew.url);
    for (const authorization of [accessToken, `Bearer ${accessToken}`, `bearer  ${accessToken}`]) {
      const headers = { authorization };
      expect((await ask(curfew.url, "{ own }", { headers })).data).toEqual({ own: sessionId });
      const response = await fetch(`${curfew.url}?query={own}`, { headers });
      expect(await response.json()).toEqual({ data: { own: sessionId } });
    }
  });

  it("is refused with its own reason if it is invalid, and each refusal is logged once", async () => {
    const clock = fakeClock();
    await using curfew = await startCurfew({ ...testApp().schema, clock, accessTokenTtl: 60_000 });
    const email = newEmail();
    const { accessToken, renewalToken } = await register(curfew.url, email);
    const reading = readToken(new KeyRing(secrets), accessToken);
    if (!reading.ok) throw new Error("It is a good token.");
    const forged = mintToken(new KeyRing(["x".repeat(32)]), reading.claims);
    const ended = await login(curfew.url, email);
    await logout(curfew.url, ended.accessToken);
    const renewed = await login(curfew.url, email);
    await renew(curfew.url, renewed.renewalToken);

    expect(await refusal(curfew.url)).toBe("MISSING");
    expect(await refusal(curfew.url, "abc")).toBe("MALFORMED");
    expect(await refusal(curfew.url, forged)).toBe("BAD_SIGNATURE");
    expect(await refusal(curfew.url, renewalToken)).toBe("WRONG_KIND");
    expect(await refusal(curfew.url, ended.accessToken)).toBe("ENDED");
    expect(await refusal(curfew.url, renewed.accessToken)).toBe("SUPERSEDED");
    clock.advance(60_000);
    expect(await refusal(curfew.url, accessToken)).toBe("EXPIRED");

    const lines = curfew.log.filter(({ event }) => event === "refused");
    const reasons = "MISSING MALFORMED BAD_SIGNATURE WRONG_KIND ENDED SUPERSEDED EXPIRED";
    expect(lines.map(({ reason }) => reason)).toEqual(reasons.split(" "));
    for (const line of lines)
      expect(line).toMatchObject({ transport: "http", address: "127.0.0.1" });
    expect(lines.at(-1)).toHaveProperty("fingerprint");
    const text = JSON.stringify(curfew.log);
    for (const token of [forged, renewalToken, accessToken, ended.accessToken])
      expect(text).not.toContain(token);
  });

  it("makes the request anonymous if it is refused, so that login, renew and logout still work", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const { accessToken: token, renewalToken } = await register(curfew.url, email);
    await renew(curfew.url, renewalToken);
    const viewer = await ask(curfew.url, "{ viewer { user { id } } }", { token });
    expect(viewer).toEqual({ status: 200, data: { viewer: null } });

    const signedIn = await ask(
      curfew.url,
      `mutation ($email: String!, $password: String!) {
        login(email: $email, password: $password) { __typename }
      }`,
      { token, variables: { email, password } },
    );
    expect(signedIn.data).toEqual({ login: { __typename: "SignedIn" } });
    const again = await ask(
      curfew.url,
      `mutation ($token: String!) { renew(renewalToken: $token) { __typename } }`,
      { token, variables: { token: renewalToken } },
    );
    expect(again.data).toEqual({ renew: { __typename: "SignedIn" } });
    expect(await logout(curfew.url, token)).toBe(1);
  });

  it("is not read from the URL", async () => {
    await using curfew = await startCurfew(testApp().schema);
    const { accessToken } = await register(curfew.url);
    expect(await refusal(`${curfew.url}?token=${accessToken}&authorization=${accessToken}`)).toBe(
      "MISSING",
    );
    expect(JSON.stringify(curfew.log)).not.toContain(accessToken);
  });

  it("is neither accepted nor refused while the store is unavailable", async () => {
    const store = breakable(memoryStore());
    await using curfew = await startCurfew({
      ...testApp().schema,
      backends: { store: store.part },
    });
    const { accessToken: token } = await register(curfew.url);
    store.goDown();
    for (const query of ["{ own }", "{ viewer { user { id } } }", "{ vault { word } }"]) {
      const { errors, data } = await ask(curfew.url, query, { token });
      expect(errors?.[0]?.extensions).toEqual({ code: "SERVICE_UNAVAILABLE" });
      expect(data === null || data.viewer === null).toBe(true);
    }
    expect((await ask(curfew.url, "{ hello }", { token })).data).toEqual({ hello: "world" });
    const out = await ask(curfew.url, "mutation { logout { endedSessions } }", { token });
    expect(out.errors?.[0]?.extensions).toEqual({ code: "SERVICE_UNAVAILABLE" });
    store.comeBack();
    expect(await logout(curfew.url, token)).toBe(1);
  });
});

it("a logout succeeds although its message to the other nodes is delayed", async () => {
  const published = Promise.withResolvers<void>();
  const pubsub = intercept(memoryPubSub(), {
    publish: (real) => async (topic, message) => {
      if ((message as { type?: unknown }).type === "ended") await published.promise;
      return real(topic, message);
    },
  });
  await using curfew = await startCurfew({ backends: { pubsub } });
  const { accessToken } = await register(curfew.url);
  const out = logout(curfew.url, accessToken);
  // By now the request counts as slow and its session, which has ended, is checked again.
  setTimeout(() => published.resolve(), 1_500);
  expect(await out).toBe(1);
});

it("an unexpected error of a resolver is masked and logged once", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { errors } = await ask(curfew.url, "{ broken }");
  expect(errors).toEqual([
    expect.objectContaining({
      message: "Unexpected error.",
      extensions: { code: "INTERNAL_SERVER_ERROR" },
    }),
  ]);
  expect(curfew.log.filter((line) => JSON.stringify(line).includes("a secret"))).toHaveLength(1);
});

describe("an invalid request gets an error response, and the server keeps working:", () => {
  it.each([
    ["invalid JSON", "{", "application/json", 400],
    ["no query", "{}", "application/json", 200],
    ["a query that is not a string", JSON.stringify({ query: 7 }), "application/json", 400],
    ["an empty body", undefined, "application/json", 400],
    ["a list of operations", JSON.stringify([{ query: "{ hello }" }]), "application/json", 400],
    ["another content type", "{ hello }", "text/plain", 415],
    ["a form", "query={hello}", "multipart/form-data; boundary=x", 415],
    ["a body over the limit", "x".repeat(256 * 1024 + 1), "application/json", 413],
    [
      "a deeply nested document",
      JSON.stringify({ query: "{a".repeat(20_000) }),
      "application/json",
      200,
    ],
    ["deeply nested JSON", "[".repeat(100_000), "application/json", 400],
  ])("%s", async (_, body, contentType, status) => {
    await using curfew = await startCurfew(testApp().schema);
    const answer = await post(curfew.url, body, contentType);
    // GraphQL errors have status 200 for clients that accept only application/json.
    expect(answer.status).toBe(status);
    if (status === 200) expect(JSON.parse(answer.text).errors).toHaveLength(1);
    expect(answer.text).not.toMatch(/\bat \S+\.(js|ts):\d+|node_modules/);
    expect((await ask(curfew.url, "{ hello }")).data).toEqual({ hello: "world" });
  });

  it("a mutation by GET", async () => {
    const app = testApp();
    await using curfew = await startCurfew(app.schema);
    const { accessToken } = await register(curfew.url);
    const query = `mutation { say(text: "hello") }`;
    const response = await fetch(`${curfew.url}?${new URLSearchParams({ query })}`, {
      headers: { authorization: accessToken },
    });
    expect(response.status).toBe(405);
    expect(app.calls).toEqual([]);
  });

  it("an unknown path", async () => {
    await using curfew = await startCurfew();
    expect((await fetch(new URL("/nothing", curfew.url))).status).toBe(404);
  });
});

it.each([
  ["a body", { method: "POST", body: '{"query":"{ hello }" the password}' }, ""],
  ["a form", { method: "POST", body: "query={hello}&variables=the password" }, ""],
  ["the variables of a URL", {}, "?query={hello}&variables=the password"],
  ["the extensions of a URL", {}, "?query={hello}&extensions={the password"],
] as const)(
  "%s that cannot be read is a bad request, and nothing of it is repeated",
  async (...given) => {
    const [what, init, search] = given;
    await using curfew = await startCurfew();
    const type = what === "a form" ? "application/x-www-form-urlencoded" : "application/json";
    const headers = { "content-type": type, accept: "application/graphql-response+json" };
    const response = await fetch(`${curfew.url}${search}`, { ...init, headers });
    expect(response.status).toBe(400);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: "BAD_REQUEST" } }] });
    expect(text).not.toContain("password");
    expect(curfew.log.filter(({ err }) => err !== undefined)).toEqual([]);
  },
);

it("pages of listed origins may read responses, others may not, and cookies are never allowed", async () => {
  await using curfew = await startCurfew({ allowedOrigins: ["https://*.example.com"] });
  const cors = async (origin: string, method: string) => {
    const headers = { origin, "access-control-request-method": "POST" };
    const { headers: answer } = await fetch(`${curfew.url}?query={__typename}`, {
      method,
      headers,
    });
    return [
      answer.get("access-control-allow-origin"),
      answer.get("access-control-allow-credentials"),
    ];
  };
  for (const method of ["GET", "OPTIONS"]) {
    const own = new URL(curfew.url).origin;
    expect(await cors("https://app.example.com", method)).toEqual([
      "https://app.example.com",
      null,
    ]);
    expect(await cors(own, method)).toEqual([own, null]);
    expect(await cors("https://example.org", method)).toEqual([null, null]);
  }
});

it("/health reports that the process runs, and /ready that it can serve", async () => {
  const store = breakable(memoryStore());
  await using curfew = await startCurfew({ backends: { store: store.part } });
  const status = async (path: string) => (await fetch(new URL(path, curfew.url))).status;
  expect([await status("/health"), await status("/ready")]).toEqual([200, 200]);
  store.goDown();
  expect([await status("/health"), await status("/ready")]).toEqual([200, 503]);
  store.comeBack();
  expect(await status("/ready")).toBe(200);
});

it("a request that offers another protocol is answered in HTTP/1.1", async () => {
  await using curfew = await startCurfew();
  const { port, hostname } = new URL(curfew.url);
  const request = httpRequest({
    port,
    host: hostname,
    path: "/graphql",
    method: "POST",
    headers: {
      connection: "Upgrade, HTTP2-Settings",
      upgrade: "h2c",
      "http2-settings": "AAMAAABk",
      "content-type": "application/json",
    },
  }).end(JSON.stringify({ query: "{ __typename }" }));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  expect(await json(response)).toEqual({ data: { __typename: "Query" } });
});
