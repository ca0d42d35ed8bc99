/** The responses of the explorer's page and assets, and how long browsers may cache them. */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";

const html = { accept: "text/html" };

async function pageOf(url: string) {
  const response = await fetch(url, { headers: html });
  const text = await response.text();
  const links = [...text.matchAll(/(?:href|src)="(?!data:)([^"]+)"/g)].map(
    ([, link = ""]) => new URL(link, url).href,
  );
  return { response, text, links };
}

it("the explorer's assets come from this server and are cached without limit", async () => {
  await using curfew = await startCurfew({ graphiql: true });
  const { response, text, links } = await pageOf(curfew.url);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(links.length).toBeGreaterThan(10);
  for (const link of links) {
    const file = await fetch(link);
    expect(file.status, link).toBe(200);
    expect(file.headers.get("content-type"), link).toBe(
      link.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
    );
    expect(file.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(file.headers.get("x-content-type-options")).toBe("nosniff");
    expect((await file.arrayBuffer()).byteLength).toBe(Number(file.headers.get("content-length")));
  }
  const [, script = ""] = /<script type="importmap">(.*?)<\/script>/.exec(text) ?? [];
  const hash = createHash("sha256").update(script).digest("base64");
  expect(response.headers.get("content-security-policy")).toContain(
    `script-src 'self' 'sha256-${hash}';`,
  );
});

it("the explorer responds 404 to assets of another version and to other paths", async () => {
  await using curfew = await startCurfew({ graphiql: true });
  const { links } = await pageOf(curfew.url);
  const main = links.find((link) => link.endsWith("/main.ts")) ?? "";
  for (const path of [
    main.replace(/explorer\/[^/]+\//, "explorer/another-version/"),
    main.replace("main.ts", "tsconfig.json"),
    main.replace("browser/main.ts", "..%2f..%2fserver.ts"),
    new URL("/graphql/explorer/", curfew.url).href,
  ]) {
    const { status, headers } = await fetch(path);
    expect(status, path).toBe(404);
    expect(headers.get("cache-control")).toBe("no-store");
  }
  const head = await fetch(main, { method: "HEAD" });
  expect(head.status).toBe(200);
  expect(Number(head.headers.get("content-length"))).toBeGreaterThan(0);
  expect(await head.text()).toBe("");
});

it("the explorer responds 404 to everything with GRAPHIQL off", async () => {
  await using shown = await startCurfew({ graphiql: true });
  await using curfew = await startCurfew({ graphiql: false });
  const { links } = await pageOf(shown.url);
  expect((await pageOf(curfew.url)).links).toEqual([]);
  for (const link of links) {
    const { pathname } = new URL(link);
    expect((await fetch(new URL(pathname, curfew.url))).status, pathname).toBe(404);
  }
});
