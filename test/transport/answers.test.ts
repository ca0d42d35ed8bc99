/** Properties of every HTTP response. */
import { METHODS, request as ask, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";

const paths = ["/", "/graphql", "/graphql?query={hello}", "/health", "/ready", "/.git/config"];

async function answer(url: string, method: string, path: string) {
  const { hostname, port } = new URL(url);
  const outgoing = ask({ hostname, port, method, path, headers: { "x-mark": "a mark" } }).end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of incoming) text += String(chunk);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, text };
}

it("HTTP methods other than GET, POST and OPTIONS are refused and echo nothing", async () => {
  await using curfew = await startCurfew();
  const used = new Set(["GET", "HEAD", "POST", "OPTIONS", "CONNECT"]);
  for (const method of METHODS.filter((one) => !used.has(one))) {
    const { status, text } = await answer(curfew.url, method, "/graphql?query={hello}");
    expect(status, method).toBe(405);
    expect(text).not.toContain("a mark");
  }
});

it("no response redirects, lists a directory, or names the software or its version", async () => {
  await using curfew = await startCurfew();
  for (const path of paths)
    for (const method of ["GET", "HEAD", "POST", "OPTIONS", "TRACE"]) {
      const { status, headers, text } = await answer(curfew.url, method, path);
      expect(status < 300 || status >= 400, `${method} ${path}`).toBe(true);
      expect(Object.keys(headers)).not.toContain("server");
      expect(Object.keys(headers)).not.toContain("x-powered-by");
      expect(text).not.toMatch(/Index of|node_modules|yoga|a mark/i);
    }
  for (const path of ["/", "/.git/config", "/package.json", "/data/curfew.db"])
    expect((await answer(curfew.url, "GET", path)).status, path).toBe(404);
});
