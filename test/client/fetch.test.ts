/** A `fetch` with the session's token: whatever it is given goes out whole, and once more where it was refused. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { sessionFetch } from "../../src/client/fetch.ts";
import { createSession, type Session } from "../../src/client/index.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { newEmail, password, renew } from "../helpers/http.ts";

const headers = { "content-type": "application/json" };
const body = JSON.stringify({ query: "mutation { endOtherSessions { endedSessions } }" });

it.each<[string, (url: string) => Parameters<typeof fetch>]>([
  ["a URL", (url) => [url, { method: "POST", headers, body }]],
  ["a Request", (url) => [new Request(url, { method: "POST", headers, body })]],
])("asks once more, by %s, for what was refused for its token", async (_, toRequest) => {
  await using curfew = await startCurfew();
  const kept = new Map<string, string>();
  const session = createSession({
    url: curfew.url,
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    },
  });
  await session.register({ email: newEmail(), password });
  // By another, so that the token here is superseded.
  await renew(curfew.url, JSON.parse([...kept.values()][0] ?? "").renewalToken);
  const response = await sessionFetch(session)(...toRequest(curfew.url));
  expect(await response.json()).toEqual({ data: { endOtherSessions: { endedSessions: 0 } } });
  session.dispose();
});

it("does not ask once more under another session than the one that asked", async () => {
  const sent: (string | null)[] = [];
  const answer = (async (_input, init) => {
    sent.push(new Headers(init?.headers).get("authorization"));
    return new Response(ended, { headers: { "content-type": "application/json" } });
  }) as typeof fetch;
  let user = "one";
  const session = {
    url: "https://api.example.com/graphql",
    access: async () => ({ token: `token-of-${user}`, sessionId: `session-of-${user}` }),
    refused: () => {
      // Another user has signed in while the request was under way.
      user = "two";
    },
  } as unknown as Session;
  const response = await sessionFetch(session, answer)(session.url, { method: "POST", body });
  expect(await response.text()).toBe(ended);
  expect(sent).toEqual(["Bearer token-of-one"]);
});

/** A signed-in session at that URL, and what is reported to it. */
function sessionAt(url: string) {
  const refused: unknown[] = [];
  const access = async () => ({ token: "the-token", sessionId: "the-session" });
  const session = { url, access, refused: (...what: unknown[]) => refused.push(what) };
  return { session: session as unknown as Session, refused };
}

/** Answers with what a request was sent with. */
const echo = (async (input, init) => {
  const request = input instanceof Request ? input : undefined;
  return Response.json({
    authorization: new Headers(init?.headers ?? request?.headers).get("authorization"),
  });
}) as typeof fetch;

const ended = JSON.stringify({
  data: null,
  errors: [{ message: "", extensions: { code: "UNAUTHENTICATED", reason: "ENDED" } }],
});

async function listen(listener: RequestListener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("the token", () => {
  afterEach(() => vi.unstubAllGlobals());
  const { session } = sessionAt("https://api.example.com/graphql");
  const authorization = async (
    input: Parameters<typeof fetch>[0],
    options?: Parameters<typeof sessionFetch>[2],
    init?: RequestInit,
  ): Promise<unknown> => {
    const response = await sessionFetch(session, echo, options)(input, init);
    return ((await response.json()) as { authorization: unknown }).authorization;
  };

  it.each<[string, Parameters<typeof fetch>[0]]>([
    ["a string", "https://api.example.com/graphql"],
    ["another path", "https://api.example.com/files?a=1"],
    ["the default port and capitals", "HTTPS://API.example.com:443/graphql"],
    ["a URL", new URL("https://api.example.com/graphql")],
    ["a Request", new Request("https://api.example.com/graphql")],
  ])("is sent to the session's own origin, given as %s", async (_what, input) =>
    expect(await authorization(input)).toBe("Bearer the-token"),
  );

  it.each<[string, Parameters<typeof fetch>[0]]>([
    ["another host", "https://evil.example/graphql"],
    ["a subdomain", "https://evil.api.example.com/graphql"],
    ["another port", "https://api.example.com:8443/graphql"],
    ["plain HTTP", "http://api.example.com/graphql"],
    ["a host that only begins alike", "https://api.example.com.evil.example/"],
    ["a host behind a user's name", "https://api.example.com@evil.example/"],
    ["a URL", new URL("https://evil.example/")],
    ["a Request", new Request("https://evil.example/")],
    ["data", "data:application/json,{}"],
    ["a blob of the same origin", "blob:https://api.example.com/0b8a3d0c"],
    ["a relative path without a page", "/graphql"],
    ["no URL", "http://["],
  ])("is not sent to %s", async (_what, input) => {
    expect(await authorization(input)).toBeNull();
    const own = { headers: { authorization: "Basic own" } };
    expect(await authorization(input, {}, own)).toBe("Basic own");
  });

  it("is sent to origins that the app names", async () => {
    const options = { origins: ["https://files.example.com/", "not an origin"] };
    expect(await authorization("https://files.example.com/a", options)).toBe("Bearer the-token");
    expect(await authorization("https://evil.example/", options)).toBeNull();
  });

  it("is sent to relative URLs of a page of the session's origin, and of no other page", async () => {
    const relative = sessionFetch(sessionAt("/graphql").session, echo);
    vi.stubGlobal("location", { href: "https://api.example.com/page/" });
    expect(await authorization("../graphql")).toBe("Bearer the-token");
    expect(await authorization("//evil.example/graphql")).toBeNull();
    expect(await (await relative("/graphql")).json()).toEqual({
      authorization: "Bearer the-token",
    });
    expect(await (await relative("https://evil.example/")).json()).toEqual({ authorization: null });
    vi.stubGlobal("location", { href: "https://evil.example/" });
    expect(await authorization("/graphql")).toBeNull();
  });

  it("goes along with a redirect within its origin, and not to another, whose refusal ends nothing", async () => {
    const generationAtRead: (string | undefined)[] = [];
    await using foreign = await listen((request, response) => {
      generationAtRead.push(request.headers.authorization);
      response.writeHead(200, { "content-type": "application/json" }).end(ended);
    });
    await using own = await listen((request, response) => {
      const { url = "" } = request;
      generationAtRead.push(request.headers.authorization);
      const location = { "/graphql": "/next", "/next": foreign.url }[url];
      response.writeHead(307, { location }).end();
    });
    const { session: here, refused } = sessionAt(own.url);
    const response = await sessionFetch(here)(own.url, { method: "POST", body: "{}" });
    expect(await response.text()).toBe(ended);
    expect(generationAtRead).toEqual(["Bearer the-token", "Bearer the-token", undefined]);
    expect(refused).toEqual([]);
  });

  it("is not taken for refused by an answer from another origin", async () => {
    const { session: here, refused } = sessionAt("https://api.example.com/graphql");
    const answer = async () =>
      new Response(ended, { headers: { "content-type": "application/json" } });
    await sessionFetch(here, answer)("https://evil.example/");
    expect(refused).toEqual([]);
    await sessionFetch(here, answer)("https://api.example.com/");
    expect(refused).toHaveLength(1);
  });
});

it("a wrong URL is rejected as `fetch` rejects it", async () => {
  const request = sessionFetch(sessionAt("https://api.example.com/graphql").session);
  for (const url of ["http://[", "/relative", ""]) {
    const plain: unknown = await fetch(url).catch((error: unknown) => error);
    await expect(request(url)).rejects.toThrow((plain as Error).message);
  }
});

it("a request that the server had begun to execute is not sent again, and its token is replaced", async () => {
  const { session, refused } = sessionAt("https://api.example.com/graphql");
  const extensions = { code: "UNAUTHENTICATED", reason: "SUPERSEDED", begun: true };
  let sent = 0;
  const answer = (async () => {
    sent += 1;
    return Response.json({ data: null, errors: [{ message: "", extensions }] });
  }) as typeof fetch;
  const response = await sessionFetch(session, answer)(session.url, { method: "POST" });
  expect(await response.json()).toMatchObject({ data: null });
  expect(sent).toBe(1);
  expect(refused).toEqual([[{ token: "the-token", sessionId: "the-session" }, "SUPERSEDED"]]);
});
