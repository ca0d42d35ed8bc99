/** The fallback handler: its paths, its headers, and its errors. */
import { expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask } from "../helpers/http.ts";

const sayPath: CurfewOptions["fallback"] = ({ url }, response) => response.end(`the app at ${url}`);

it("the fallback answers at all paths that are not Curfew's, with the app's headers", async () => {
  await using curfew = await startCurfew({ fallback: sayPath });
  const get = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(new URL(path, curfew.url), { headers });
    return [await response.text(), response.headers.get("content-security-policy")];
  };
  for (const path of ["/", "/page?a=b", "/graphql.html", "/graphqls", "/healthy"])
    expect(await get(path)).toEqual([`the app at ${path}`, null]);
  // As for a link on another site's page.
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  expect(await get("/page?a=b", link)).toEqual(["the app at /page?a=b", null]);

  for (const path of ["/graphql?query={__typename}", "/graphql/", "/health", "/ready"]) {
    const [text, policy] = await get(path);
    expect(text).not.toContain("the app");
    expect(policy).toContain("default-src 'none'");
  }
  expect((await ask(curfew.url, "{ __typename }")).data).toEqual({ __typename: "Query" });
});

it.each([
  [
    "throws",
    () => {
      throw new Error("The app's own fault");
    },
  ],
  ["rejects", () => Promise.reject(new Error("The app's own fault"))],
])("a fallback error (%s) fails one request and is logged", async (_, fault) => {
  await using curfew = await startCurfew({ fallback: fault });
  await expect(fetch(new URL("/", curfew.url))).rejects.toThrow("fetch failed");
  expect(curfew.log).toContainEqual(
    expect.objectContaining({ err: expect.objectContaining({ message: "The app's own fault" }) }),
  );
  expect((await ask(curfew.url, "{ __typename }")).data).toEqual({ __typename: "Query" });
});
