/** The type of a JSON response is the one that Yoga would choose. */
import { describe, expect, it } from "vitest";
import { createSchema, createYoga } from "graphql-yoga";
import { jsonTypeFor } from "../../src/http/response-type.ts";

const yoga = createYoga({
  logging: false,
  schema: createSchema({ typeDefs: "type Query { one: Int }" }),
});

async function typeFromYoga(accept: string): Promise<string | undefined> {
  const response = await yoga.fetch("http://localhost/graphql", {
    method: "POST",
    headers: { accept, "content-type": "application/json" },
    body: JSON.stringify({ query: "{ one }" }),
  });
  return response.headers.get("content-type")?.split(";")[0];
}

describe("a common Accept header gets on the fast path the type that Yoga chooses", () => {
  it.each([
    "application/json",
    "application/graphql-response+json",
    "application/graphql-response+json, application/json",
    "application/graphql-response+json,application/json;q=0.9",
    "application/json, application/graphql-response+json",
    "*/*",
    "application/json, text/plain, */*",
    "text/html, */*;q=0.1",
  ])("%s", async (accept) => {
    expect(jsonTypeFor(accept)).toBe(await typeFromYoga(accept));
  });
});

describe("an Accept header whose weights contradict its order is left to Yoga", () => {
  it.each([
    "application/json;q=0.9, application/graphql-response+json",
    "application/graphql-response+json;q=0.5, application/json",
    "*/*, application/graphql-response+json",
    "text/event-stream, application/json",
    "application/json; charset=latin1",
    "text/html",
    "multipart/mixed, application/json;q=0.9",
  ])("%s", (accept) => {
    expect(jsonTypeFor(accept)).toBeUndefined();
  });
});
