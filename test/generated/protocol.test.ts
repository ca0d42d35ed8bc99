/** The tables of codes and reasons in the docs are current. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { protocolPages, readmeTable } from "./protocol.ts";

it("the tables of codes and reasons are current: if not, run `npm run codegen`", async () => {
  const pages = await protocolPages();
  expect([...pages.keys()]).toContain("docs/protocol.md");
  for (const [path, text] of pages)
    expect(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"), path).toBe(text);
});

it("the README's table names each close and each refusal reason once", () => {
  const table = readmeTable();
  for (const name of [
    "4403 `SESSION_EXPIRED`",
    "`SUPERSEDED`",
    "`REUSED`",
    "1012 `SERVICE_RESTART`",
  ])
    expect(table.split(name)).toHaveLength(2);
});
