import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { deviceOf } from "../../src/request/client-info.ts";
import { tokenFromConnectionParams, tokenFromHeader } from "../../src/protocol/connection-init.ts";

describe("the token of an Authorization header", () => {
  it.each([
    ["Bearer abc", "abc"],
    ["bearer abc", "abc"],
    ["BEARER \t abc  ", "abc"],
    ["abc", "abc"],
    // A token may begin like the scheme.
    ["bearerabc", "bearerabc"],
    ["Bearer", undefined],
    ["Bearer ", undefined],
    ["  ", undefined],
    ["", undefined],
    [undefined, undefined],
    [null, undefined],
    [7, undefined],
    [["Bearer abc"], undefined],
    [{ token: "abc" }, undefined],
  ])("of %j is %j", (header, token) => expect(tokenFromHeader(header)).toBe(token));
});

describe("the token of a connection_init", () => {
  it.each([
    [{ token: "abc" }, "abc"],
    [{ token: "Bearer abc" }, "abc"],
    [{ authorization: "abc" }, "abc"],
    [{ Authorization: "Bearer abc" }, "abc"],
    [{ headers: { authorization: "Bearer abc" } }, "abc"],
    [{ headers: { Authorization: "abc" } }, "abc"],
    [{ token: "first", authorization: "second", headers: { authorization: "third" } }, "first"],
    [{ token: "", authorization: "second" }, "second"],
    [{ token: 7, headers: null }, undefined],
    [{ headers: "authorization" }, undefined],
    [{ Token: "abc", accessToken: "abc", query: { token: "abc" } }, undefined],
    [{}, undefined],
    [undefined, undefined],
  ])("of %j is %j", (params, token) => expect(tokenFromConnectionParams(params)).toBe(token));
});

describe("the address of a request", () => {
  it.each([
    [
      "without a proxy, is that of the connection, whatever a header says",
      0,
      "1.1.1.1",
      "127.0.0.1",
    ],
    ["behind one proxy, is the last that is forwarded", 1, "9.9.9.9, 1.1.1.1", "1.1.1.1"],
    ["behind two, is the last but one", 2, "9.9.9.9, 1.1.1.1,2.2.2.2", "1.1.1.1"],
    ["behind a proxy that forwards none, is that of the connection", 1, undefined, "127.0.0.1"],
    ["behind fewer proxies than were said, is that of the connection", 3, "1.1.1.1", "127.0.0.1"],
  ])("%s", async (_, proxies, forwarded, address) => {
    const request = await received(forwarded === undefined ? {} : { "x-forwarded-for": forwarded });
    expect(deviceOf(request, proxies).ipAddress).toBe(address);
  });

  it("comes with the user agent, truncated if it is too long", async () => {
    const agent = "x".repeat(1000);
    const { userAgent } = deviceOf(await received({ "user-agent": agent }), 0);
    expect(userAgent).toBe("x".repeat(256));
  });
});

/** A request as a server receives it, while its connection is open. */
async function received(headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const answer = fetch(`http://127.0.0.1:${port}`, { headers });
  const [request, response] = await once(server, "request");
  const { remoteAddress } = request.socket;
  response.end();
  await answer;
  server.close();
  server.closeAllConnections();
  return Object.assign(request, { socket: { remoteAddress } });
}
