/** `sessionFetch`: origins that receive the token, and one retry after a refusal. */
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
])(
  "sessionFetch retries a request that was refused for its token once, given as %s",
  async (_, toRequest) => {
    await using curfew = await startCurfew();
    const stored = new Map<string, string>();
    const session = createSession({
      url: curfew.url,
      storage: {
        getItem: (key) => stored.get(key) ?? null,
        setItem: (key, value) => stored.set(key, value),
        removeItem: (key) => stored.delete(key),
      },
    });
    await session.register({ email: newEmail(), password });
    // Another client renews, so that this token is superseded.
    await renew(curfew.url, JSON.parse([...stored.values()][0] ?? "").renewalToken);
    const response = await sessionFetch(session)(...toRequest(curfew.url));
    expect(await response.json()).toEqual({ data: { endOtherSessions: { endedSessions: 0 } } });
    session.dispose();
  },
);

it("sessionFetch does not repeat a request under another session than the one that sent it", async () => {
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

/** A signed-in session at that URL, and the calls of `refused`. */
function sessionAt(url: string) {
  const refused: unknown[] = [];
  const access = async () => ({ token: "the-token", sessionId: "the-session" });
  const session = { url, access, refused: (...args: unknown[]) => refused.push(args) };
  return { session: session as unknown as Session, refused };
}

/** Responds with the authorization header of the request. */
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

describe("the session's token", () => {
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
  ])("is sent to the session's own origin: %s", async (_case, input) =>
    expect(await authorization(input)).toBe("Bearer the-token"),
  );

  it.each<[string, Parameters<typeof fetch>[0]]>([
    ["another host", "https://evil.example/graphql"],
    ["a subdomain", "https://evil.api.example.com/graphql"],
    ["another port", "https://api.example.com:8443/graphql"],
    ["plain HTTP", "http://api.example.com/graphql"],
    ["a host with the same beginning", "https://api.example.com.evil.example/"],
    ["a host after a user name", "https://api.example.com@evil.example/"],
    ["a URL", new URL("https://evil.example/")],
    ["a Request", new Request("https://evil.example/")],
    ["data", "data:application/json,{}"],
    ["a blob of the same origin", "blob:https://api.example.com/0b8a3d0c"],
    ["a relative path without a page", "/graphql"],
    ["no URL", "http://["],
  ])("is not sent to %s", async (_case, input) => {
    expect(await authorization(input)).toBeNull();
    const own = { headers: { authorization: "Basic own" } };
    expect(await authorization(input, {}, own)).toBe("Basic own");
  });

  it("is sent to origins in the options", async () => {
    const options = { origins: ["https://files.example.com/", "not an origin"] };
    expect(await authorization("https://files.example.com/a", options)).toBe("Bearer the-token");
    expect(await authorization("https://evil.example/", options)).toBeNull();
  });

  it("is sent to relative URLs only on a page of the session's origin", async () => {
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

  it("follows a redirect within its origin but not to another, whose refusal is ignored", async () => {
    const receivedHeaders: (string | undefined)[] = [];
    await using foreign = await listen((request, response) => {
      receivedHeaders.push(request.headers.authorization);
      response.writeHead(200, { "content-type": "application/json" }).end(ended);
    });
    await using own = await listen((request, response) => {
      const { url = "" } = request;
      receivedHeaders.push(request.headers.authorization);
      const location = { "/graphql": "/next", "/next": foreign.url }[url];
      response.writeHead(307, { location }).end();
    });
    const { session: here, refused } = sessionAt(own.url);
    const response = await sessionFetch(here)(own.url, { method: "POST", body: "{}" });
    expect(await response.text()).toBe(ended);
    expect(receivedHeaders).toEqual(["Bearer the-token", "Bearer the-token", undefined]);
    expect(refused).toEqual([]);
  });

  it("is not reported as refused by a response from another origin", async () => {
    const { session: here, refused } = sessionAt("https://api.example.com/graphql");
    const respond = async () =>
      new Response(ended, { headers: { "content-type": "application/json" } });
    await sessionFetch(here, respond)("https://evil.example/");
    expect(refused).toEqual([]);
    await sessionFetch(here, respond)("https://api.example.com/");
    expect(refused).toHaveLength(1);
  });
});

it("sessionFetch rejects an invalid URL with the error of fetch", async () => {
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
  expect(refused).toMatchObject([[{ token: "the-token" }, "SUPERSEDED", undefined]]);
});
