/** Malformed and malicious input: it is refused briefly and cheaply, and affects no other client. */
import { once } from "node:events";
import { connect as dial } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { ask, askData, password, register } from "../helpers/http.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

/** Sends the bytes, then ends or resets the connection. Resolves to the response once the connection is closed. */
async function sendRaw(url: string, bytes: string | Buffer, then: "end" | "reset" = "end") {
  const { port, hostname } = new URL(url);
  const socket = dial(Number(port), hostname);
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  if (then === "end") socket.end(bytes);
  else socket.write(bytes, () => socket.resetAndDestroy());
  await closed;
  return answer;
}

async function expectAlive({ url, socketUrl }: TestCurfew) {
  const { accessToken } = await register(url);
  await using socket = await connect(socketUrl, accessToken);
  socket.send({ type: "ping" });
  expect(await socket.messages.next()).toEqual({ type: "pong" });
}

function request(...lines: string[]): string {
  return [...lines, "", ""].join("\r\n");
}

const host = "Host: localhost";
const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
const version = "Sec-WebSocket-Version: 13";
const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const protocol = "Sec-WebSocket-Protocol: graphql-transport-ws";
const get = "GET /graphql HTTP/1.1";
const post = "POST /graphql HTTP/1.1";
const json = "Content-Type: application/json";
const socket = [get, host, ...upgrade, version, key, protocol];

const malformed: readonly (readonly [string, string | Buffer])[] = [
  ["nothing", ""],
  ["empty lines", "\r\n\r\n\r\n"],
  ["zeros", Buffer.alloc(512)],
  ["a TLS handshake", Buffer.from("16030100a5010000a10303", "hex")],
  ["HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["an unknown method", request("STEAL /graphql HTTP/1.1", host)],
  ["an unknown version", request("GET /graphql HTTP/9.9", host)],
  ["half a request line", "GET /gra"],
  ["a target with a space", request("GET /gra phql HTTP/1.1", host)],
  ["a target without a slash", request("GET graphql HTTP/1.1", host)],
  ["a target that is a host and port", request("CONNECT example.com:443 HTTP/1.1", host)],
  ["the target *", request("OPTIONS * HTTP/1.1", host)],
  ["a target that is a URL", request("GET http://[::1 HTTP/1.1", host)],
  [
    "a target that is a URL, to a host with a port",
    request("GET http://a/b HTTP/1.1", "Host: a:1"),
  ],
  ["a target that is a URL without a host", request("GET http:/// HTTP/1.1", "Host: a:1")],
  ["a target with two slashes", request("GET //graphql HTTP/1.1", host)],
  ["a target that cannot be decoded", request("GET /graphql?query=%E0%A4%A HTTP/1.1", host)],
  ["no host", request(get)],
  ["two hosts", request(get, host, "Host: other")],
  ["an empty host", request(get, "Host:")],
  ["an invalid host", request(get, "Host: a b")],
  ["a host with a path", request(get, "Host: [::1/x")],
  ["a header without a name", request(get, host, ": nameless")],
  ["a header without a colon", request(get, host, "colonless")],
  ["a header with a control character", request(get, host, "Authorization: \u0001\u007f")],
  ["endless headers", request(get, host, `X: ${"x".repeat(64 * 1024)}`)],
  ["a negative length", request(post, host, json, "Content-Length: -1")],
  ["two lengths", request(post, host, json, "Content-Length: 2", "Content-Length: 3")],
  ["a length and chunks", request(post, host, "Content-Length: 2", "Transfer-Encoding: chunked")],
  ["a truncated body", `${request(post, host, json, "Content-Length: 99")}{"query"`],
  ["a chunk without a size", `${request(post, host, json, "Transfer-Encoding: chunked")}zz\r\n`],
  [
    "a body in an unknown charset",
    request(post, host, `${json}; charset=none`, "Content-Length: 0"),
  ],
  [
    "a body in an unknown encoding",
    `${request(post, host, json, "Content-Encoding: x", "Content-Length: 2")}{}`,
  ],
  ["an invalid content type", `${request(post, host, "Content-Type: ;;;", "Content-Length: 2")}{}`],
  ["an upgrade without a protocol", request(get, host, "Connection: Upgrade")],
  ["an upgrade to something else", request(get, host, "Connection: Upgrade", "Upgrade: h2c")],
  ["an upgrade without a key", request(get, host, ...upgrade, version)],
  ["an upgrade with a short key", request(get, host, ...upgrade, version, "Sec-WebSocket-Key: x")],
  ["an upgrade of an old version", request(get, host, ...upgrade, key, "Sec-WebSocket-Version: 1")],
  ["an upgrade by POST", request(post, host, ...upgrade, version, key, "Content-Length: 0")],
  ["an upgrade with no host", request(get, "Host: a b", ...upgrade, version, key, protocol)],
  ["an upgrade with an odd origin", request(...socket, "Origin: http://[")],
  [
    "an upgrade with a bad protocol",
    request(get, host, ...upgrade, version, key, "Sec-WebSocket-Protocol: ,,"),
  ],
  ["an upgrade with a bad extension", request(...socket, "Sec-WebSocket-Extensions: ;;=")],
  ["an upgrade followed by an invalid frame", `${request(...socket)}no frame at all`],
  [
    "an upgrade followed by an unmasked frame",
    Buffer.concat([Buffer.from(request(...socket)), Buffer.from("8102", "hex"), Buffer.from("{}")]),
  ],
  [
    "an upgrade followed by an endless frame",
    Buffer.concat([Buffer.from(request(...socket)), Buffer.from("81ffffffffffffffffff", "hex")]),
  ],
];

describe("the server stays up and discloses nothing about itself", () => {
  it.each(["end", "reset"] as const)("after malformed requests that %s", async (then) => {
    await using curfew = await startCurfew();
    for (const [what, bytes] of malformed) {
      const answer = await sendRaw(curfew.url, bytes, then);
      expect(answer, what).not.toMatch(/HTTP\/1\.1 5|node_modules|\.[jt]s:|TypeError/);
    }
    await until(() => curfew.connections.size === 0);
    await expectAlive(curfew);
  });

  it("after upgrades that are aborted at every byte", async () => {
    await using curfew = await startCurfew();
    const bytes = request(...socket);
    const lengths = Array.from({ length: bytes.length }, (_, i) => i + 1);
    await Promise.all(
      lengths.map((length) => sendRaw(curfew.url, bytes.slice(0, length), "reset")),
    );
    await expectAlive(curfew);
  });
});

it.each(["a b", "[::1", "a:b:c", "%"])("the host %o gets 400 without a body", async (name) => {
  await using curfew = await startCurfew();
  const answer = await sendRaw(curfew.url, request(get, `Host: ${name}`, "Connection: close"));
  const [head = "", body] = answer.split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 400 /);
  expect(body).toMatch(/^(0\s*)?$/);
});

it("a ping's payload is never echoed, before or after the acknowledgement", async () => {
  await using curfew = await startCurfew();
  const { accessToken: token } = await register(curfew.url);
  await using client = await new TestSocket(curfew.socketUrl).opened();
  for (let i = 0; i < 2; i += 1) {
    client.send({ type: "ping", payload: { text: "x".repeat(200_000) } });
    expect(await client.messages.next()).toEqual({ type: "pong" });
    if (i === 0) client.init({ token });
    if (i === 0) expect(await client.messages.next()).toMatchObject({ type: "connection_ack" });
  }
});

it("a very long e-mail address is refused before any expensive processing", async () => {
  await using curfew = await startCurfew();
  // Combining marks of two classes in the wrong order: normalization would have to sort all of them.
  const email = `a${"\u0301".repeat(50_000)}${"\u0316".repeat(50_000)}@example.com`;
  expect(Buffer.byteLength(email)).toBeGreaterThan(200_000);
  const query = `mutation ($email: String!, $password: String!) {
    login(email: $email, password: $password) { __typename }
    register(email: $email, password: $password) { __typename }
  }`;
  const normalize = vi.spyOn(String.prototype, "normalize");
  try {
    const data = await askData(curfew.url, query, { variables: { email, password } });
    expect(data.login).toEqual({ __typename: "InvalidCredentials" });
    expect(data.register).toEqual({ __typename: "InvalidInput" });
    const lengths = normalize.mock.contexts.map((text) => String(text).length);
    expect(Math.max(...lengths)).toBeLessThan(2_000);
  } finally {
    normalize.mockRestore();
  }
});

it("responses are limited to one origin and not cached", async () => {
  await using curfew = await startCurfew({ allowedOrigins: ["https://app.test"] });
  await using stream = await openStream(curfew.url, "subscription { sessionEvents { type } }");
  const query = encodeURIComponent("{ __typename }");
  const answers = [
    stream.response,
    await fetch(`${curfew.url}?query=${query}`),
    await fetch(`${curfew.url}?query=${query}`, { headers: { origin: "https://app.test" } }),
    await fetch(`${curfew.url}?query=${query}`, { headers: { origin: "https://else.test" } }),
    await fetch(`${curfew.url}?query={`),
    await fetch(curfew.url, { method: "POST", body: "{}" }),
    await fetch(curfew.url, { method: "OPTIONS", headers: { origin: "https://app.test" } }),
  ];
  for (const { headers } of answers) {
    expect((headers.get("vary") ?? "").split(/,\s*/)).toContain("Origin");
    expect(headers.get("cache-control")).toBe("no-store");
  }
});

it("a request that is refused several times for one reason is logged once", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { errors } = await ask(curfew.url, "{ own a: own b: own c: own }");
  expect(errors?.length).toBeGreaterThan(0);
  const lines = curfew.log.filter(({ event }) => event === "refused");
  expect(lines.map(({ reason }) => reason)).toEqual(["MISSING"]);
});

it("renewal tokens refused in one request are logged once per reason, with a count", async () => {
  await using curfew = await startCurfew();
  const { accessToken } = await register(curfew.url);
  const tokens = ["", "nonsense", "nonsense too", accessToken, accessToken, ""];
  const fields = tokens.map(
    (token, i) => `r${i}: renew(renewalToken: "${token}") { ... on RenewalRefused { reason } }`,
  );
  const data = await askData(curfew.url, `mutation { ${fields.join(" ")} }`);
  const reasons = Object.values<{ reason: string }>(data).map(({ reason }) => reason);
  expect(reasons).toEqual("MISSING MALFORMED MALFORMED WRONG_KIND WRONG_KIND MISSING".split(" "));
  const lines = curfew.log.filter(({ event }) => event === "renewalRefused");
  expect(lines.map(({ reason, count }) => [reason, count])).toEqual([
    ["MISSING", 2],
    ["MALFORMED", 2],
    ["WRONG_KIND", 2],
  ]);
});

it("large documents are not cached", async () => {
  await using curfew = await startCurfew({ maxQueryTokens: 100_000 });
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heap = () => (collect(), process.memoryUsage().heapUsed);
  const fields = " __typename".repeat(20_000);
  await ask(curfew.url, `{ first: __typename${fields} }`);
  const before = heap();
  for (const name of ["a", "b", "c", "d", "e", "f"])
    await ask(curfew.url, `{ ${name}: __typename${fields} }`);
  // A parsed document takes 10 MB.
  expect(heap() - before).toBeLessThan(20 * 2 ** 20);
});
